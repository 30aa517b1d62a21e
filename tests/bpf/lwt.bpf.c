/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs on the packets of a route. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Whether they drop packets. */
__u32 drop;

#define COUNTS(section, name)						\
	__u64 name##_runs;						\
	SEC(section) int name(struct __sk_buff *skb)			\
	{								\
		__sync_fetch_and_add(&name##_runs, 1);			\
		return drop ? BPF_DROP : BPF_OK;			\
	}

COUNTS("lwt_in", on_in)
COUNTS("lwt_out", on_out)
COUNTS("lwt_xmit", on_xmit)
COUNTS("lwt_seg6local", on_endpoint)
