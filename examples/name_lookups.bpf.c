/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The names that programs look up by getaddrinfo() of the C library, and how long they wait for it. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct lookup {
	__u64 duration_ns;	/* on entry: when it began */
	pid_t pid;
	int result;		/* 0, or EAI_NONAME and the like */
	char comm[16];
	char name[256];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} lookups SEC(".maps");

/* What each thread is looking up. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, pid_t);
	__type(value, struct lookup);
} current_lookups SEC(".maps");

/* Lookups that found no place. */
__u64 dropped;

SEC("uprobe/libc.so.6:getaddrinfo")
int BPF_KPROBE(on_call, const char *name)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct lookup lookup = {.duration_ns = bpf_ktime_get_ns(), .pid = pid_tgid >> 32};
	pid_t tid = pid_tgid;

	bpf_get_current_comm(lookup.comm, sizeof(lookup.comm));
	/* NULL stands for this host: then it stays empty. */
	bpf_probe_read_user_str(lookup.name, sizeof(lookup.name), name);
	bpf_map_update_elem(&current_lookups, &tid, &lookup, BPF_ANY);
	return 0;
}

SEC("uretprobe/libc.so.6:getaddrinfo")
int BPF_KRETPROBE(on_return, int result)
{
	pid_t tid = bpf_get_current_pid_tgid();
	struct lookup *lookup = bpf_map_lookup_elem(&current_lookups, &tid);

	if (!lookup)
		return 0;
	lookup->duration_ns = bpf_ktime_get_ns() - lookup->duration_ns;
	lookup->result = result;
	if (bpf_ringbuf_output(&lookups, lookup, sizeof(*lookup), 0))
		__sync_fetch_and_add(&dropped, 1);
	bpf_map_delete_elem(&current_lookups, &tid);
	return 0;
}
