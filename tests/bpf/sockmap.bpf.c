/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs on what the sockets of a map send and receive. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

/* What on_message does: 0 passes, 1 drops, 2 puts the message into the receive queue of sockets[7]. */
__u32 action;

__u64 on_message_runs;
__u64 other_message_runs;
__u64 on_stream_runs;
__u64 other_stream_runs;

SEC("sk_msg")
int on_message(struct sk_msg_md *message)
{
	__u32 key = 7;

	__sync_fetch_and_add(&on_message_runs, 1);
	if (action == 1)
		return SK_DROP;
	if (action == 2)
		return bpf_msg_redirect_hash(message, &sockets, &key, BPF_F_INGRESS);
	return SK_PASS;
}

SEC("sk_msg")
int other_message(struct sk_msg_md *message)
{
	__sync_fetch_and_add(&other_message_runs, 1);
	return SK_PASS;
}

SEC("sk_skb/stream_verdict")
int on_stream(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&on_stream_runs, 1);
	return SK_PASS;
}

SEC("sk_skb/stream_verdict")
int other_stream(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&other_stream_runs, 1);
	return SK_PASS;
}

/* Its section does not say where it attaches. */
SEC("sk_skb")
int anywhere(struct __sk_buff *skb)
{
	return SK_PASS;
}
