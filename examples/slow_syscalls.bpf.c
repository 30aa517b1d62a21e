/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* How long system calls take: a histogram for all, and a sum for each number. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "log2.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* User space sets these before the load. Only this process, if not 0: */
const volatile pid_t target_pid = 0;
/* Only calls that take so long. */
const volatile __u64 minimum_ns = 0;

struct call {
	long number;
	__u64 start_ns;
};

struct syscall {
	__u64 calls;
	__u64 total_ns;
	__u64 longest_ns;
};

/* What each thread is in; of a thread that ends in one the entry makes room for others in time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, pid_t);
	__type(value, struct call);
} current_calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct syscall);
} syscalls SEC(".maps");

/* Calls by the logarithm of their microseconds. */
__u64 histogram[BUCKETS];

SEC("tp_btf/sys_enter")
int BPF_PROG(on_enter, struct pt_regs *registers, long number)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct call call = {.number = number, .start_ns = bpf_ktime_get_ns()};
	pid_t tid = pid_tgid;

	if (!target_pid || pid_tgid >> 32 == target_pid)
		bpf_map_update_elem(&current_calls, &tid, &call, BPF_ANY);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_exit, struct pt_regs *registers, long result)
{
	pid_t tid = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&current_calls, &tid);
	struct syscall *syscall, none = {};
	__u64 duration_ns;
	__u32 number;

	if (!call)
		return 0;
	duration_ns = bpf_ktime_get_ns() - call->start_ns;
	number = call->number;
	bpf_map_delete_elem(&current_calls, &tid);
	if (duration_ns < minimum_ns)
		return 0;
	__sync_fetch_and_add(&histogram[log2_bucket(duration_ns / 1000)], 1);
	bpf_map_update_elem(&syscalls, &number, &none, BPF_NOEXIST);
	syscall = bpf_map_lookup_elem(&syscalls, &number);
	if (!syscall)
		return 0;
	__sync_fetch_and_add(&syscall->calls, 1);
	__sync_fetch_and_add(&syscall->total_ns, duration_ns);
	/* Two CPUs may do this at the same time: then the longer of the two may be lost. */
	if (duration_ns > syscall->longest_ns)
		syscall->longest_ns = duration_ns;
	return 0;
}
