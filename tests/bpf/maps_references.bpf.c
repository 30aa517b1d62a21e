/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Maps whose initialisers name programs: tail calls, and a table of operations. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

SEC("socket")
int first(struct __sk_buff *ctx)
{
	return 1;
}

SEC("socket")
int second(struct __sk_buff *ctx)
{
	return 2;
}

SEC("socket")
int unnamed(struct __sk_buff *ctx)
{
	return 3;
}

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, int (struct __sk_buff *));
} calls SEC(".maps") = {
	.values = { [0] = &first, [2] = &second },
};

SEC("struct_ops/undo")
__u32 BPF_PROG(undo, struct sock *sk)
{
	return 2;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops congestion = {
	.undo_cwnd = (void *)undo,
	.name = "bpf_test",
};
