/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The names that the kernel is asked to look up, and what came of it. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* User space sets these before the load. Only this process, if not 0: */
const volatile pid_t target_pid = 0;
/* Whether filename_lookup_exit reports, with the result. */
const volatile bool with_results = false;

struct event {
	pid_t pid;
	int result;
	char comm[16];
	char filename[256];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} events SEC(".maps");

/* What each thread is looking up. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, pid_t);
	__type(value, struct event);
} lookups SEC(".maps");

/* Events that found no place. */
__u64 lost;

/* The loader says which function it is: one whose second argument is a struct filename. */
SEC("fentry")
int BPF_PROG(filename_lookup, int dfd, struct filename *name)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct event event = {.pid = pid_tgid >> 32};
	pid_t tid = pid_tgid;
	long error;

	if (target_pid && event.pid != target_pid)
		return 0;
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	bpf_probe_read_kernel_str(event.filename, sizeof(event.filename), name->name);
	if (with_results)
		error = bpf_map_update_elem(&lookups, &tid, &event, BPF_ANY);
	else
		error = bpf_ringbuf_output(&events, &event, sizeof(event), 0);
	if (error)
		__sync_fetch_and_add(&lost, 1);
	return 0;
}

/* Before 5.15 the kernel has freed the name when filename_lookup returns: it was read on entry. */
SEC("fexit")
int BPF_PROG(filename_lookup_exit)
{
	pid_t tid = bpf_get_current_pid_tgid();
	struct event *event = bpf_map_lookup_elem(&lookups, &tid);
	__u64 result = 0;

	if (!event)
		return 0;
	/* Since 5.17 a program can ask. Before, it must know how many arguments stand before the result. */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_func_ret))
		bpf_get_func_ret(ctx, &result);
	else
		result = ctx[5];
	event->result = result;
	if (bpf_ringbuf_output(&events, event, sizeof(*event), 0))
		__sync_fetch_and_add(&lost, 1);
	bpf_map_delete_elem(&lookups, &tid);
	return 0;
}
