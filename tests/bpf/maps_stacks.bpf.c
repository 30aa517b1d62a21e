/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Stack traces of one system call of one process, by id. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

const volatile int target_pid;
const volatile __u64 target_syscall;

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 64);
	__uint(key_size, 4);
	__uint(value_size, 16 * 8);
} stacks SEC(".maps");

int kernel_id = -1;
int user_id = -1;

SEC("raw_tp/sys_enter")
int take(struct bpf_raw_tracepoint_args *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 != target_pid || ctx->args[1] != target_syscall)
		return 0;
	kernel_id = bpf_get_stackid(ctx, &stacks, BPF_F_REUSE_STACKID);
	user_id = bpf_get_stackid(ctx, &stacks, BPF_F_REUSE_STACKID | BPF_F_USER_STACK);
	return 0;
}
