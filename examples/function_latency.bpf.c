/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* How long a kernel function takes: a histogram. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "log2.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Only this process, if not 0. User space sets it before the load. */
const volatile pid_t target_pid = 0;

/* When each thread entered the function. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, pid_t);
	__type(value, __u64);
} entered SEC(".maps");

/* Calls by the logarithm of their nanoseconds, and the nanoseconds of all. */
__u64 histogram[BUCKETS];
__u64 total_ns;

/* The loader says which function it is. */
SEC("fentry")
int BPF_PROG(on_entry)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();
	pid_t tid = pid_tgid;

	if (!target_pid || pid_tgid >> 32 == target_pid)
		bpf_map_update_elem(&entered, &tid, &now, BPF_ANY);
	return 0;
}

SEC("fexit")
int BPF_PROG(on_return)
{
	pid_t tid = bpf_get_current_pid_tgid();
	__u64 *start = bpf_map_lookup_elem(&entered, &tid), duration_ns;

	if (!start)
		return 0;
	duration_ns = bpf_ktime_get_ns() - *start;
	bpf_map_delete_elem(&entered, &tid);
	__sync_fetch_and_add(&histogram[log2_bucket(duration_ns)], 1);
	__sync_fetch_and_add(&total_ns, duration_ns);
	return 0;
}
