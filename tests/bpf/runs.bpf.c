/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs for test runs, and one on the writable tracepoint that every test run passes. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 on_finish_runs;
__u64 mark_runs;

/* net/bpf/test_run.c:bpf_test_finish */
SEC("raw_tp.w/bpf_test_finish")
int on_finish(void *ctx)
{
	__sync_fetch_and_add(&on_finish_runs, 1);
	return 0;
}

/* Takes the mark of the context as the answer, and writes another one. */
SEC("tc")
int mark(struct __sk_buff *skb)
{
	__u32 found = skb->mark;

	__sync_fetch_and_add(&mark_runs, 1);
	skb->mark = found + 1;
	return found;
}
