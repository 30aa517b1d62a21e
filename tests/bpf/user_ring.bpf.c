/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Drains a user ring buffer (6.1), and keeps what it found in variables and in a ring buffer. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define LARGEST_RECORD 64

struct command {
	__u64 number;
	__u32 kind;
	char text[20];
};

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} commands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} echoes SEC(".maps");

struct command *type_of_commands;	/* a ring has no value type: this keeps the struct in the BTF */

__u64 drained;
long drain_result;

static long echo(struct bpf_dynptr *record, void *context)
{
	struct command *command = bpf_ringbuf_reserve(&echoes, sizeof(*command), 0);

	drained++;
	if (!command)
		return 0;
	if (bpf_dynptr_read(command, sizeof(*command), record, 0, 0))
		bpf_ringbuf_discard(command, 0);	/* a shorter record */
	else
		bpf_ringbuf_submit(command, 0);
	return 0;
}

SEC("raw_tp")
int drain(void *context)
{
	drain_result = bpf_user_ringbuf_drain(&commands, echo, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
