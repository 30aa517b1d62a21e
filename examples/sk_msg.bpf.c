/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Intercepts what the sockets of a map send: drops it, or puts it into another socket's receive queue. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The key of the socket that gets the messages; 0 to drop them. User space sets it before the load. */
const volatile __u32 redirect_to = 0;

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} INTERCEPT_EGRESS SEC(".maps");

/* Messages intercepted. */
__u64 intercepted;

SEC("sk_msg")
int intercept_egress_packet(struct sk_msg_md *msg)
{
	__u32 key = redirect_to;

	__sync_fetch_and_add(&intercepted, 1);
	if (!key)
		return SK_DROP;
	return bpf_msg_redirect_hash(msg, &INTERCEPT_EGRESS, &key, BPF_F_INGRESS);
}
