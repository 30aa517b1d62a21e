/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What a monitoring system wants to know: which programs start, and how long tasks wait for a CPU. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "log2.bpf.h"

char LICENSE[] SEC("license") = "GPL";

struct command {
	char name[16];
};

/* Programs executed, by command. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct command);
	__type(value, __u64);
} executions SEC(".maps");

/* When each task that waits for a CPU began to. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, pid_t);
	__type(value, __u64);
} waiting SEC(".maps");

/* Waits by the logarithm of their microseconds, and the nanoseconds of all. */
__u64 waits[BUCKETS];
__u64 waited_ns;

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec)
{
	struct command command = {};
	__u64 *count, none = 0;

	bpf_get_current_comm(command.name, sizeof(command.name));
	bpf_map_update_elem(&executions, &command, &none, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&executions, &command);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

static __always_inline int begin(struct task_struct *task)
{
	__u64 now = bpf_ktime_get_ns();
	pid_t tid = task->pid;

	bpf_map_update_elem(&waiting, &tid, &now, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	return begin(task);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *task)
{
	return begin(task);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *before, struct task_struct *next)
{
	pid_t tid = next->pid;
	__u64 *start = bpf_map_lookup_elem(&waiting, &tid), duration_ns;

	if (!start)
		return 0;
	duration_ns = bpf_ktime_get_ns() - *start;
	bpf_map_delete_elem(&waiting, &tid);
	__sync_fetch_and_add(&waits[log2_bucket(duration_ns / 1000)], 1);
	__sync_fetch_and_add(&waited_ns, duration_ns);
	return 0;
}
