/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Stacks of one system call of one process: the kernel's, with this program in it, and the process's. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile pid_t target_pid = 0;
const volatile __u64 target_syscall = 0;

#define DEPTH 32

/* One map for each, where no other stack can have the bucket that its hash picks. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, DEPTH * sizeof(__u64));
} kernel_stacks SEC(".maps"), user_stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_STACK_BUILD_ID);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, DEPTH * sizeof(struct bpf_stack_build_id));
} build_ids SEC(".maps");

__u64 kernel_stack[DEPTH];
__u64 user_stack[DEPTH];
struct bpf_stack_build_id user_build_ids[DEPTH];

__s64 kernel_size;
__s64 user_size;
__s64 user_build_ids_size;
__s64 kernel_id = -1;
__s64 user_id = -1;
__s64 build_id_id = -1;

/* A function of its own, whose whole name the kernel does not keep. */
__attribute__((noinline)) int take_the_stack_of_the_kernel(struct bpf_raw_tracepoint_args *ctx)
{
	kernel_size = bpf_get_stack(ctx, kernel_stack, sizeof(kernel_stack), 0);
	return kernel_size > 0; /* so that it is no tail call */
}

SEC("raw_tp/sys_enter")
int take_stacks_on_entry(struct bpf_raw_tracepoint_args *ctx)
{
	if ((pid_t)(bpf_get_current_pid_tgid() >> 32) != target_pid || ctx->args[1] != target_syscall)
		return 0;
	if (!take_the_stack_of_the_kernel(ctx)) /* the call */
		return 0;
	kernel_id = bpf_get_stackid(ctx, &kernel_stacks, 0);
	user_id = bpf_get_stackid(ctx, &user_stacks, BPF_F_USER_STACK);
	build_id_id = bpf_get_stackid(ctx, &build_ids, BPF_F_USER_STACK);
	user_size = bpf_get_stack(ctx, user_stack, sizeof(user_stack), BPF_F_USER_STACK);
	user_build_ids_size = bpf_get_stack(ctx, user_build_ids, sizeof(user_build_ids),
					    BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
	return 0;
}
