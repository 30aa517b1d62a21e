/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* An action of traffic control. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* include/uapi/linux/pkt_cls.h, which vmlinux.h cannot have: they are macros. */
#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

__u64 act_runs;
/* Whether it drops packets. */
__u32 drop;

SEC("action")
int act(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&act_runs, 1);
	return drop ? TC_ACT_SHOT : TC_ACT_OK;
}
