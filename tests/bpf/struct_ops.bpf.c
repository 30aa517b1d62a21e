/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* TCP congestion controls: they need trampolines. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Connections that began with each of them, and acknowledgements that they saw. */
__u64 first_connections;
__u64 second_connections;
__u64 first_acks;
__u64 second_acks;

SEC("struct_ops/first_init")
void BPF_PROG(first_init, struct sock *sk)
{
	__sync_fetch_and_add(&first_connections, 1);
}

SEC("struct_ops/second_init")
void BPF_PROG(second_init, struct sock *sk)
{
	__sync_fetch_and_add(&second_connections, 1);
}

SEC("struct_ops/ssthresh")
__u32 BPF_PROG(ssthresh, struct sock *sk)
{
	return 10;
}

SEC("struct_ops/undo_cwnd")
__u32 BPF_PROG(undo_cwnd, struct sock *sk)
{
	return 10;
}

SEC("struct_ops/first_cong_avoid")
void BPF_PROG(first_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	__sync_fetch_and_add(&first_acks, 1);
}

SEC("struct_ops/second_cong_avoid")
void BPF_PROG(second_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	__sync_fetch_and_add(&second_acks, 1);
}

SEC(".struct_ops.link")
struct tcp_congestion_ops first = {
	.init = (void *)first_init,
	.ssthresh = (void *)ssthresh,
	.undo_cwnd = (void *)undo_cwnd,
	.cong_avoid = (void *)first_cong_avoid,
	.name = "pylibbpf",
};

/* The same name: it takes the place of the first. */
SEC(".struct_ops.link")
struct tcp_congestion_ops second = {
	.init = (void *)second_init,
	.ssthresh = (void *)ssthresh,
	.undo_cwnd = (void *)undo_cwnd,
	.cong_avoid = (void *)second_cong_avoid,
	.name = "pylibbpf",
};
