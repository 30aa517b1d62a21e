/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs that are executed, with their arguments, and processes that end, with how. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Only children of this process, if not 0. User space sets it before the load. */
const volatile pid_t parent_pid = 0;

#define ARGUMENTS 1024

enum kind { EXEC, EXIT };

struct event {
	enum kind kind;
	pid_t pid;
	pid_t parent;
	uid_t uid;
	char comm[16];
};

struct exec {
	struct event event;
	__u32 size;			/* of the arguments; what is longer is cut off */
	/* As the process has them: each ends with a zero. Python has an array of char up to the first zero. */
	__u8 arguments[ARGUMENTS];
};

struct exit {
	struct event event;
	int status;			/* as wait(2) gives it */
	__u64 lifetime_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} events SEC(".maps");

/* Events that found no place. */
__u64 dropped;

/* Keep the types in the object's BTF: user space reads events by their names. */
const struct exec *exec_type __attribute__((unused));
const struct exit *exit_type __attribute__((unused));

static __always_inline bool wanted(struct task_struct *task)
{
	return !parent_pid || BPF_CORE_READ(task, real_parent, tgid) == parent_pid;
}

static __always_inline void fill(struct event *event, enum kind kind, struct task_struct *task)
{
	event->kind = kind;
	event->pid = BPF_CORE_READ(task, tgid);
	event->parent = BPF_CORE_READ(task, real_parent, tgid);
	event->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(event->comm, sizeof(event->comm));
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	struct exec *exec;
	__u64 start, size;

	if (!wanted(task))
		return 0;
	exec = bpf_ringbuf_reserve(&events, sizeof(*exec), 0);
	if (!exec) {
		__sync_fetch_and_add(&dropped, 1);
		return 0;
	}
	fill(&exec->event, EXEC, task);
	start = BPF_CORE_READ(task, mm, arg_start);
	size = BPF_CORE_READ(task, mm, arg_end) - start;
	if (size > ARGUMENTS)
		size = ARGUMENTS;
	exec->size = bpf_probe_read_user(exec->arguments, size, (void *)start) ? 0 : size;
	bpf_ringbuf_submit(exec, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct exit *exit;

	/* A process counts as ended when its first thread has. */
	if (BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid) || !wanted(task))
		return 0;
	exit = bpf_ringbuf_reserve(&events, sizeof(*exit), 0);
	if (!exit) {
		__sync_fetch_and_add(&dropped, 1);
		return 0;
	}
	fill(&exit->event, EXIT, task);
	exit->status = BPF_CORE_READ(task, exit_code);
	exit->lifetime_ns = bpf_ktime_get_ns() - BPF_CORE_READ(task, start_time);
	bpf_ringbuf_submit(exit, 0);
	return 0;
}
