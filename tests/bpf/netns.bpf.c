/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs on a network namespace. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The socket that connections are steered to, if there is one. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} listener SEC(".maps");

__u64 steer_runs;
__u64 other_steer_runs;
__u64 dissect_runs;
__u64 other_dissect_runs;

static __always_inline int choose(struct bpf_sk_lookup *ctx)
{
	struct bpf_sock *sock;
	__u32 index = 0;
	long error;

	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	sock = bpf_map_lookup_elem(&listener, &index);
	if (!sock)
		return SK_PASS;
	error = bpf_sk_assign(ctx, sock, 0);
	bpf_sk_release(sock);
	return error ? SK_DROP : SK_PASS;
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	__sync_fetch_and_add(&steer_runs, 1);
	return choose(ctx);
}

SEC("sk_lookup")
int other_steer(struct bpf_sk_lookup *ctx)
{
	__sync_fetch_and_add(&other_steer_runs, 1);
	return SK_PASS;
}

SEC("flow_dissector")
int dissect(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&dissect_runs, 1);
	return BPF_OK;
}

SEC("flow_dissector")
int other_dissect(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&other_dissect_runs, 1);
	return BPF_OK;
}
