/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs that start and end below one process, and a walk over all tasks. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Only children of this process are reported; user space sets it before the load. */
const volatile pid_t parent_pid = 0;

enum what { STARTED, ENDED };

struct event {
	__u64 time_ns;
	enum what what;
	pid_t pid;
	int exit_code;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

/* Events seen, by kind. */
__u64 seen[2];

/* Keeps the type in the object's BTF: user space reads events by its name. */
const struct event *unused __attribute__((unused));

static int report(struct task_struct *task, enum what what)
{
	struct event *event;

	if (BPF_CORE_READ(task, real_parent, tgid) != parent_pid)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	event->time_ns = bpf_ktime_get_ns();
	event->what = what;
	event->pid = BPF_CORE_READ(task, tgid);
	event->exit_code = BPF_CORE_READ(task, exit_code) >> 8;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	__sync_fetch_and_add(&seen[what], 1);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(handle_exec, struct task_struct *task)
{
	return report(task, STARTED);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(handle_exit, struct task_struct *task)
{
	if (BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
		return 0;
	return report(task, ENDED);
}

SEC("iter/task")
int list_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task || task->pid != task->tgid)
		return 0;
	if (ctx->meta->seq_num == 0)
		BPF_SEQ_PRINTF(ctx->meta->seq, "%8s  %s\n", "PID", "COMMAND");
	BPF_SEQ_PRINTF(ctx->meta->seq, "%8d  %s\n", task->tgid, task->comm);
	return 0;
}
