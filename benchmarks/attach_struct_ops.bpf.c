/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The least TCP congestion control that the kernel takes. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

SEC("struct_ops")
__u32 BPF_PROG(window_of, struct sock *sk)
{
	return ((struct tcp_sock *)sk)->snd_cwnd;
}

SEC("struct_ops")
__u32 BPF_PROG(window_before, struct sock *sk)
{
	return ((struct tcp_sock *)sk)->snd_cwnd;
}

SEC("struct_ops")
void BPF_PROG(keep_window, struct sock *sk, __u32 ack, __u32 acked)
{
}

SEC(".struct_ops.link")
struct tcp_congestion_ops on_struct_ops = {
	.ssthresh = (void *)window_of,
	.undo_cwnd = (void *)window_before,
	.cong_avoid = (void *)keep_window,
	.name = "bpf_benchmark",
};
