/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the command line shows, reads, writes and runs: typed maps, variables, a ring and a perf buffer. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

enum colour { RED, GREEN = 5 };

struct event {
	__u32 pid;
	__u32 number;
	enum colour colour;
	char comm[16];
};

struct place {
	__s16 x;
	__s16 y;
};

struct visit {
	__u64 count;
	struct place where;
	enum colour colour;
	char label[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct visit);
} cli_visits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} cli_per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 6);
} cli_untyped SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 3);
	__type(value, __u32);
} cli_queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} cli_programs SEC(".maps");

/* Whose calls are seen; user space sets it before the load. */
const volatile pid_t target_pid = 0;
enum colour colour = GREEN;
__u32 calls;
/* Keeps the type in the object's BTF: user space reads events by its name. */
const struct event *unused __attribute__((unused));

SEC("tracepoint/syscalls/sys_enter_getpgid")
int cli_on_getpgid(void *ctx)
{
	struct event event = { .pid = bpf_get_current_pid_tgid() >> 32 };

	if (event.pid != target_pid)
		return 0;
	event.number = ++calls;
	event.colour = colour;
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	bpf_ringbuf_output(&events, &event, sizeof(event), 0);
	bpf_perf_event_output(ctx, &samples, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return 0;
}

/* Sees all that passes: no section says where. */
SEC("?xdp")
int cli_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("?iter/bpf_map_elem")
int cli_elements(struct bpf_iter__bpf_map_elem *ctx)
{
	__u32 *key = ctx->key;
	struct visit *visit = ctx->value;

	if (key && visit)
		BPF_SEQ_PRINTF(ctx->meta->seq, "%u %llu\n", *key, visit->count);
	return 0;
}
