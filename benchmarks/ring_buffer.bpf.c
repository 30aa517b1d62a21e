/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Fills a ring buffer with events of 48 bytes, as many as `count` says. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct event {
	__u64 sequence;
	__u64 time;		/* of fill_stamped: when it was written, in nanoseconds of CLOCK_MONOTONIC */
	__u32 pid;
	__u32 kind;
	__u64 address;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 << 20);
} events SEC(".maps");

struct event *type_of_events;	/* a ring has no value type: this keeps the struct in the BTF */

__u32 count = 400000;
__u64 flags = BPF_RB_NO_WAKEUP;
__u64 dropped;

static __always_inline void write(__u64 index, __u64 time)
{
	struct event event = {
		.sequence = index,
		.time = time,
		.pid = index & 0xffff,
		.kind = 7,
		.comm = "benchmark",
	};

	if (bpf_ringbuf_output(&events, &event, sizeof(event), flags))
		dropped++;
}

static long produce(__u64 index, void *context)
{
	write(index, 2 * index);
	return 0;
}

/* One event, which tells when it was written. */
SEC("syscall")
int fill_stamped(void *context)
{
	write(0, bpf_ktime_get_ns());
	return 0;
}

SEC("syscall")
int fill(void *context)
{
	bpf_loop(count, produce, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
