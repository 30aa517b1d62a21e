/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the CPUs execute when a timer interrupts them: samples counted by process and stacks. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define DEPTH 127

struct cpu_sample {
	pid_t pid;
	/* Ids of stacks, or a negative errno: a thread of the kernel has none in user space. */
	__s32 user_stack;
	__s32 kernel_stack;
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
	__type(key, struct cpu_sample);
	__type(value, __u64);
} samples SEC(".maps");

SEC("perf_event")
int take_sample(struct bpf_perf_event_data *ctx)
{
	struct cpu_sample sample = {.pid = bpf_get_current_pid_tgid() >> 32};
	__u64 *count, none = 0;

	/* A CPU with nothing to do executes process 0. */
	if (!sample.pid)
		return 0;
	sample.user_stack = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	sample.kernel_stack = bpf_get_stackid(ctx, &stacks, 0);
	bpf_get_current_comm(sample.comm, sizeof(sample.comm));
	bpf_map_update_elem(&samples, &sample, &none, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&samples, &sample);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}
