/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A program of each kind that links are made of, and that hardly ever runs. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

SEC("iter/task")
int iter(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	/* A record of 32 bytes, for benchmarks/iterator.py. */
	if (task)
		BPF_SEQ_PRINTF(ctx->meta->seq, "%7d %7d %-15s\n", task->tgid, task->pid, task->comm);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(tp_btf)
{
	return 0;
}

SEC("raw_tp/cgroup_rmdir")
int raw_tp(void *ctx)
{
	return 0;
}

SEC("tp/cgroup/cgroup_rename")
int tracepoint(void *ctx)
{
	return 0;
}

/* A tracepoint takes a program once only: this one is attached meanwhile. */
SEC("tp/cgroup/cgroup_rename")
int held(void *ctx)
{
	return 0;
}

SEC("cgroup_skb/egress")
int cgroup(struct __sk_buff *skb)
{
	return 1;
}

SEC("sk_lookup")
int netns(struct bpf_sk_lookup *ctx)
{
	return SK_PASS;
}

SEC("sk_msg")
int sockmap(struct sk_msg_md *msg)
{
	return SK_PASS;
}
