/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Maps of the kinds that need no special machine, global variables of all sections, and a program that uses them. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

enum colour { RED, GREEN = 5, BLUE };

struct point {
	__s16 x;
	__s16 y;
};

struct event {
	__u32 pid;
	char comm[16];
	__u64 bytes;
	struct point where;
	enum colour colour;
};

struct flow {
	__u32 address;
	__u16 port;
	__u16 zero;
};

struct prefix {
	__u32 length;
	__u8 data[4];
};

struct guarded {
	struct bpf_spin_lock lock;
	__u32 value;
};

/* Typed hashes and arrays. */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct flow);
	__type(value, struct event);
} events_by_flow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __s32);
} recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct event);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct guarded);
} guarded SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct guarded);
} guarded_by_key SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct point);
} points_per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} runs_per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__uint(key_size, 4);
	__uint(value_size, 6);
} untyped SEC(".maps");

/* Other kinds. */

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u32);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 3);
	__type(value, __u32);
} line SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 3);
	__type(value, struct point);
} pile SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} tail_calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} perf_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} one SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} maps_by_index SEC(".maps") = {
	.values = { &one },
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u64);
	__array(values, struct inner);
} maps_by_key SEC(".maps");

/* Not on every kernel: tests/maps creates them where they are wanted. */

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct point);
} task_values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct point);
} socket_values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct point);
} inode_values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct point);
} cgroup_values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100);
	__type(value, __u32);
} probably SEC(".maps");

/* Not used by the program, for configuration. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u32);
} spare SEC(".maps");

/* Global variables. */

const volatile __u32 step = 10;
const volatile struct event template = { .pid = 7, .comm = "template", .where = { -1, 2 }, .colour = GREEN };

__u64 total;
__s32 balance = -5;
bool enabled = true;
char label[16] = "hello";
__s32 table[4] = { 1, -2, 3, -4 };
enum colour favourite = BLUE;
struct event last = {};
static volatile __u16 hidden = 77;

__u32 tuned SEC(".data.tuning") = 3;
__u64 tail[1] SEC(".data.tail") = { 1 };
/* libbpf maps no section that has static variables only. */
static volatile __u32 quiet SEC(".data.quiet") = 8;

extern int LINUX_KERNEL_VERSION __kconfig;
int kernel_version;

SEC("socket")
int count(struct __sk_buff *ctx)
{
	__u32 zero = 0, one_key = 1;
	struct event *record;
	__u64 *slot;
	__u32 *runs;

	if (!enabled)
		return 0;
	total += step + hidden - 77 + quiet - 8 + tuned - 3 + tail[0] - 1;
	balance--;
	kernel_version = LINUX_KERNEL_VERSION;
	slot = bpf_map_lookup_elem(&slots, &one_key);
	if (slot)
		__sync_fetch_and_add(slot, step);
	runs = bpf_map_lookup_elem(&runs_per_cpu, &zero);
	if (runs)
		*runs += 1;
	bpf_map_update_elem(&counts, &one_key, &total, BPF_ANY);
	record = bpf_map_lookup_elem(&records, &zero);
	if (record) {
		record->pid = template.pid;
		record->bytes = total;
		record->where.x = template.where.x;
		record->colour = template.colour;
		last.where.y = record->where.y;
	}
	return 0;
}
