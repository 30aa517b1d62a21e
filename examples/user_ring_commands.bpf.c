/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Counts the system calls of the processes that user space names, by commands in a user ring buffer. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

enum action { WATCH, FORGET };

struct command {
	enum action action;
	pid_t pid;
};

/* Keeps the type in the object's BTF: user space writes commands by its name. */
const struct command *unused __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} commands SEC(".maps");

/* System calls of each process that is watched. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, pid_t);
	__type(value, __u64);
} watched SEC(".maps");

SEC("raw_tp/sys_enter")
int on_syscall(void *ctx)
{
	pid_t pid = bpf_get_current_pid_tgid() >> 32;
	__u64 *calls = bpf_map_lookup_elem(&watched, &pid);

	if (calls)
		__sync_fetch_and_add(calls, 1);
	return 0;
}

static long on_command(struct bpf_dynptr *record, void *context)
{
	struct command command;
	__u64 none = 0;

	if (bpf_dynptr_read(&command, sizeof(command), record, 0, 0))
		return 0;	/* it is shorter */
	if (command.action == WATCH)
		bpf_map_update_elem(&watched, &command.pid, &none, BPF_NOEXIST);
	else if (command.action == FORGET)
		bpf_map_delete_elem(&watched, &command.pid);
	return 0;
}

/* User space runs it when it has written commands. Returns how many there were, or a negative errno. */
SEC("syscall")
int obey(void *ctx)
{
	return bpf_user_ringbuf_drain(&commands, on_command, NULL, 0);
}
