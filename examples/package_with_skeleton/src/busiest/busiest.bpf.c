/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Counts the system calls of every process. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A process that is not counted: the tool itself. */
const volatile pid_t ignored = 0;

struct process {
	__u64 calls;
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, pid_t);
	__type(value, struct process);
} processes SEC(".maps");

/* All system calls that were counted. */
__u64 total = 0;

SEC("raw_tp/sys_enter")
int count(void *ctx)
{
	pid_t pid = bpf_get_current_pid_tgid() >> 32;
	struct process *process, fresh = {};

	if (pid == ignored)
		return 0;
	process = bpf_map_lookup_elem(&processes, &pid);
	if (!process) {
		bpf_get_current_comm(fresh.name, sizeof(fresh.name));
		bpf_map_update_elem(&processes, &pid, &fresh, BPF_NOEXIST);
		process = bpf_map_lookup_elem(&processes, &pid);
		if (!process)
			return 0;
	}
	__sync_fetch_and_add(&process->calls, 1);
	__sync_fetch_and_add(&total, 1);
	return 0;
}
