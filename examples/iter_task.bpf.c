/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A walk over all tasks: one line of text for each. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The loader says what is walked: "task". */
SEC("iter")
int iter_prog(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	/* The last call, behind the last task, brings none. */
	if (!task)
		return 0;
	BPF_SEQ_PRINTF(ctx->meta->seq, "%8d %8d %s\n", task->tgid, task->pid, task->comm);
	return 0;
}
