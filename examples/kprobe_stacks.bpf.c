/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Who calls a kernel function, and by which way: calls counted by command and stack. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* Only this process, if not 0. User space sets it before the load. */
const volatile pid_t target_pid = 0;

#define DEPTH 64

struct caller {
	__s32 stack;	/* its id, or a negative errno */
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16384);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, DEPTH * sizeof(__u64));
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct caller);
	__type(value, __u64);
} calls SEC(".maps");

/* The user says which function it is. */
SEC("kprobe")
int on_call(struct pt_regs *ctx)
{
	struct caller caller = {};
	__u64 *count, none = 0;

	if (target_pid && bpf_get_current_pid_tgid() >> 32 != target_pid)
		return 0;
	caller.stack = bpf_get_stackid(ctx, &stacks, 0);
	bpf_get_current_comm(caller.comm, sizeof(caller.comm));
	bpf_map_update_elem(&calls, &caller, &none, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&calls, &caller);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}
