/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Functions that take the place of those of replaceable.bpf.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 new_answer_runs;

SEC("freplace/answer")
int new_answer(int question)
{
	__sync_fetch_and_add(&new_answer_runs, 1);
	return question + 1000;
}
