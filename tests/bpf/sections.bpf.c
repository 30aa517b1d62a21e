/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs in sections that libbpf does not know. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 on_call_runs;

SEC("myproject/packet")
int packet(struct xdp_md *context)
{
	return XDP_PASS;
}

SEC("myproject/call/any")
int on_call(void *context)
{
	__sync_fetch_and_add(&on_call_runs, 1);
	return 0;
}

SEC("myproject")
int bare(struct __sk_buff *skb)
{
	return 1;
}
