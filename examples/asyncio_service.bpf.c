/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Two streams of events, programs executed and signals sent, and a count of context switches. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct executed {
	pid_t pid;
	char comm[16];
};

struct signalled {
	int number;
	pid_t sender;
	pid_t receiver;
};

/* Keep the types in the object's BTF: user space reads events by their names. */
const struct executed *executed_type __attribute__((unused));
const struct signalled *signalled_type __attribute__((unused));

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} executions SEC(".maps"), signals SEC(".maps");

__u64 switches;
/* Events that found no place. */
__u64 dropped;

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	struct executed event = {.pid = task->tgid};

	bpf_get_current_comm(event.comm, sizeof(event.comm));
	if (bpf_ringbuf_output(&executions, &event, sizeof(event), 0))
		__sync_fetch_and_add(&dropped, 1);
	return 0;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int number, struct kernel_siginfo *info, struct task_struct *task)
{
	struct signalled event = {
		.number = number,
		.sender = bpf_get_current_pid_tgid() >> 32,
		.receiver = task->tgid,
	};

	if (bpf_ringbuf_output(&signals, &event, sizeof(event), 0))
		__sync_fetch_and_add(&dropped, 1);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch)
{
	__sync_fetch_and_add(&switches, 1);
	return 0;
}
