/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Records of several types in one ring, told apart by a field that they share; and records with a tail. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

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

/* The verifier forgets what clang knows of a size. */
static __always_inline void write(void *record, __u64 size, __u64 largest)
{
	asm volatile("" : "+r"(size));
	if (size <= largest)
		bpf_ringbuf_output(&events, record, size, 0);
}

/* args: the kind of the record, or 0 for three in turns; bytes that it is too short */
SEC("raw_tp")
int output(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 kind = ctx->args[0], less = ctx->args[1] & 7;

	if (!kind)
		kind = 1 + next % 3;
	opened.number = closed.number = named.named.number = next;
	if (kind == OPENED) {
		write(&opened, sizeof(opened) - less, sizeof(opened));
	} else if (kind == NAMED) {
		named.named.length = next % 50;
		write(&named, sizeof(named.named) + next % 50, sizeof(named));
	} else {
		closed.kind = kind;
		write(&closed, sizeof(closed), sizeof(closed));
	}
	next++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
