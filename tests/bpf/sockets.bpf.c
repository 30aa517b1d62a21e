/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs on one socket, and on a group of sockets of one port. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* How much of a packet the socket keeps: bytes, with its headers. */
volatile __u32 keeps = 0xffffffff;
/* Which socket of the group is chosen. */
volatile __u32 chosen = 0;

__u64 on_packet_runs;
__u64 other_on_packet_runs;
__u64 choose_runs;
__u64 other_choose_runs;

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} group SEC(".maps");

SEC("socket")
int on_packet(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&on_packet_runs, 1);
	return keeps;
}

SEC("socket")
int other_on_packet(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&other_on_packet_runs, 1);
	return keeps;
}

static __always_inline int choose_from_group(struct sk_reuseport_md *ctx, __u64 *runs)
{
	__u32 key = chosen;

	__sync_fetch_and_add(runs, 1);
	return bpf_sk_select_reuseport(ctx, &group, &key, 0) ? SK_DROP : SK_PASS;
}

SEC("sk_reuseport")
int choose(struct sk_reuseport_md *ctx)
{
	return choose_from_group(ctx, &choose_runs);
}

SEC("sk_reuseport")
int other_choose(struct sk_reuseport_md *ctx)
{
	return choose_from_group(ctx, &other_choose_runs);
}
