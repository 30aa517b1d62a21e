/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* CO-RE relocations that find nothing on any kernel: one that is guarded, and one that is not. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

/* What comes behind three underscores is for us only: the kernel's task_struct is meant. */
struct task_struct___imagined {
	int no_such_field;
} __attribute__((preserve_access_index));

int found;

SEC("raw_tp")
int guarded(void *ctx)
{
	struct task_struct___imagined *task = (void *)bpf_get_current_task();

	if (bpf_core_field_exists(task->no_such_field))
		found = BPF_CORE_READ(task, no_such_field);
	return 0;
}

SEC("raw_tp")
int unguarded(void *ctx)
{
	struct task_struct___imagined *task = (void *)bpf_get_current_task();

	found = BPF_CORE_READ(task, no_such_field);
	return 0;
}
