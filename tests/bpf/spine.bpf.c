/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs of the kinds that every kernel of the matrix can load, with maps and globals to see them by. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Only this thread group counts, so that a busy machine does not. */
const volatile pid_t target_pid = 0;
const volatile __u8 small = 7;

__u64 raw_tracepoint_runs;
__u64 btf_tracepoint_runs;
__u64 tracepoint_runs;
__u64 updated_runs;
__s32 negative = -5;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline bool is_target(void)
{
	return target_pid == (pid_t)(bpf_get_current_pid_tgid() >> 32);
}

SEC("raw_tp/sys_enter")
int raw_tracepoint(void *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&raw_tracepoint_runs, 1);
	return 0;
}

SEC("tp_btf/sys_enter")
int btf_tracepoint(void *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&btf_tracepoint_runs, 1);
	return 0;
}

SEC("tracepoint/raw_syscalls/sys_enter")
int tracepoint(void *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&tracepoint_runs, 1);
	return 0;
}

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && task->tgid == target_pid)
		BPF_SEQ_PRINTF(ctx->meta->seq, "first %d\n", task->pid);
	return 0;
}

SEC("iter/task")
int other_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && task->tgid == target_pid)
		BPF_SEQ_PRINTF(ctx->meta->seq, "second %d\n", task->pid);
	return 0;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}
