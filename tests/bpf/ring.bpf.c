/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Writes records into ring buffers, as many and as large as the caller of a
 * test run says. The programs are raw tracepoints, which can be run by
 * BPF_PROG_TEST_RUN from 5.10 on; their context is the four arguments.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define MOST_RECORDS 512	/* of one run: a loop that every verifier can follow */
#define LARGEST_RECORD (400 * 1024)

struct event {
	__u64 sequence;
	__u32 size;
	__u32 ring;
	char comm[16];
};

enum color {
	RED = 1,
	GREEN = 2,
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} others SEC(".maps");

/* No ring: what a reader must refuse. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event);
} array SEC(".maps");

/* The next record: its sequence number counts all records of both rings. */
union {
	struct event event;
	char bytes[LARGEST_RECORD];
} record;

enum color favourite = GREEN;	/* keeps the enum in the BTF */
__u64 dropped;			/* records that found the ring full */

static __always_inline int emit(struct bpf_raw_tracepoint_args *ctx, void *ring, __u32 index)
{
	__u64 count = ctx->args[0], size = ctx->args[1], flags = ctx->args[2], i;

	if (size > LARGEST_RECORD)
		return -1;
	if (ctx->args[3])
		record.event.sequence = ctx->args[3];
	for (i = 0; i < MOST_RECORDS && i < count; i++) {
		record.event.size = size;
		record.event.ring = index;
		if (bpf_ringbuf_output(ring, &record, size, flags))
			__sync_fetch_and_add(&dropped, 1);
		else
			record.event.sequence++;
	}
	return 0;
}

/* args: how many records, bytes of each, flags of bpf_ringbuf_output, sequence to begin with or 0 */
SEC("raw_tp")
int output(struct bpf_raw_tracepoint_args *ctx)
{
	return emit(ctx, &events, 0);
}

SEC("raw_tp")
int output_others(struct bpf_raw_tracepoint_args *ctx)
{
	return emit(ctx, &others, 1);
}

/* args: how many records, and how many of them in a row are discarded before one is submitted */
SEC("raw_tp")
int reserve(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 count = ctx->args[0], discards = ctx->args[1], discarded = 0, i;
	struct event *event;

	for (i = 0; i < MOST_RECORDS && i < count; i++) {
		event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
		if (!event) {
			__sync_fetch_and_add(&dropped, 1);
			continue;
		}
		event->sequence = record.event.sequence;
		event->size = sizeof(*event);
		event->ring = 0;
		__builtin_memcpy(event->comm, "reserved\0\0\0\0\0\0\0", 16);
		record.event.sequence++;
		if (discarded < discards) {
			discarded++;
			bpf_ringbuf_discard(event, 0);
		} else {
			discarded = 0;
			bpf_ringbuf_submit(event, 0);
		}
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
