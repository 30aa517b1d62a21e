/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What is hard to name or to type in a skeleton; the programs run by test_run. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

extern int LINUX_KERNEL_VERSION __kconfig;

enum colour { RED, GREEN = 5, None = 7, __LAST };

typedef struct {
	__s16 x, y;
} point_t;

union address {
	__u32 v4;
	__u8 v6[16];
};

struct record {
	__u32 from;       /* a keyword */
	__u64 bytes;      /* a type of Python */
	char label[16];
	__u32 skeleton;   /* what the module calls pylibbpf.skeleton */
	__u32 self;
	__u32 initial;
	__u32 _fields_;   /* what ctypes needs */
	__u32 __depth;
	__u32 version : 4;
	__s32 delta : 5;
	enum colour colour;
	enum { IDLE, BUSY } state;
	union address address;
	struct {
		__u32 in_port;
		union {
			__u32 word;
			__u16 halves[2];
		};
	};
	struct {
		__u8 major, minor;
	} kernel;
	point_t corners[4];
	__u32 matrix[2][3];
	char names[2][8];
	void *pointer;
	bool done;
	struct a_struct_whose_name_is_longer_than_any_that_a_line_of_code_has_room_for {
		__u32 a_field_whose_name_is_as_long_as_that[2];
	} long_names[2];
};

/* Only ever in a ring buffer: this keeps it in the object's BTF. */
struct event {
	__u32 kind;
	struct record *record;
};
const struct event *unused __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, enum colour);
	__type(value, struct record);
} from SEC(".maps");

/* Takes the name that the section .bss would have. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32[2][3]);
} bss SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 8);
	__type(key, char[8]);
	__type(value, point_t);
} points SEC(".maps");

struct anonymous_value {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct { __u64 packets; __u64 bytes; });
} traffic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__uint(key_size, 4);
	__uint(value_size, 12);
} untyped SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

/* Both sections would be data_a_b. */
__u32 first SEC(".data.a.b") = 1;
__u32 second SEC(".data.a_b") = 2;

const volatile struct {
	__u32 rate;
	bool enabled;
} limits = { .rate = 3 };

__u64 lambda = 10;
__u64 bytes;
__u64 maps;
__u32 table[3] = { 1, 2, 3 };
enum colour favourite = GREEN;
point_t origin = { 1, -1 };
int kernel_version;
static volatile __u32 hidden = 4;

static __noinline int step(void)
{
	static volatile __u32 counter = 100;

	return ++counter;
}

static __noinline int stride(void)
{
	static volatile __u32 counter = 200;

	return ++counter;
}

SEC("socket")
int import(struct __sk_buff *skb)
{
	enum colour key = GREEN;
	struct record *record = bpf_map_lookup_elem(&from, &key);
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (event) {
		event->kind = limits.rate;
		event->record = 0;
		bpf_ringbuf_submit(event, 0);
	}
	if (record) {
		record->version = 6;
		record->delta = -3;
		record->matrix[1][2] = 12;
	}
	kernel_version = LINUX_KERNEL_VERSION;
	lambda += 1;
	bytes += hidden;
	first += second;
	return step() + stride();
}

SEC("socket")
int maps_used(struct __sk_buff *skb)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&bss, &zero) || bpf_map_lookup_elem(&untyped, &zero) ||
	       bpf_map_lookup_elem(&traffic, &zero) || bpf_map_lookup_elem(&points, "1234567");
}
