/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Records of several types in one ring, told apart by a field that they share; and records with a tail. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define MOST_RECORDS 512	/* of one run */

enum kind {
	OPENED = 1,
	CLOSED = 2,
	NAMED = 3,
	STRANGE = 99,
};

struct opened {
	__u32 number;
	enum kind kind;
	__u64 flags;
	char path[16];
};

struct closed {
	__u32 number;
	enum kind kind;
};

/* The name begins behind it. */
struct named {
	__u32 number;
	enum kind kind;
	__u32 length;
};

/* Its discriminator lies elsewhere. */
struct misplaced {
	enum kind kind;
	__u32 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

struct misplaced *type_of_none;		/* keeps the struct in the BTF */
struct opened opened = { .kind = OPENED, .flags = 7, .path = "/etc/passwd" };
struct closed closed = { .kind = CLOSED };
struct {
	struct named named;
	char name[52];
} named = { .named = { .kind = NAMED }, .name = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz" };
__u32 next;

/* args: how many records; the kind of all, or 0 for three in turns; bytes that each is too short */
SEC("raw_tp")
int output(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 count = ctx->args[0], i;
	__u32 kind = ctx->args[1], less = ctx->args[2] & 7;

	for (i = 0; i < MOST_RECORDS && i < count; i++) {
		__u32 this = kind ? kind : 1 + next % 3;

		opened.number = closed.number = named.named.number = next;
		if (this == OPENED) {
			bpf_ringbuf_output(&events, &opened, sizeof(opened) - less, 0);
		} else if (this == NAMED) {
			named.named.length = next % 50;
			bpf_ringbuf_output(&events, &named, sizeof(named.named) + next % 50, 0);
		} else {
			closed.kind = this;
			bpf_ringbuf_output(&events, &closed, sizeof(closed), 0);
		}
		next++;
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
