/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A program of every kind for cgroups, each in the place of its own: the tests load the one they ask for. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Whether what asks is refused. */
__u32 deny;
/* The port that addresses get, if it is not 0. */
__u16 port;

#define COUNT(name) __sync_fetch_and_add(&name##_runs, 1)

/* Kinds that may refuse, by 0. */
#define DECIDES(section, name, context)					\
	__u64 name##_runs;						\
	SEC("?" section) int name(struct context *c)			\
	{								\
		COUNT(name);						\
		return deny ? 0 : 1;					\
	}

/* Kinds that the kernel lets return 1 only. */
#define SEES(section, name, context)					\
	__u64 name##_runs;						\
	SEC("?" section) int name(struct context *c)			\
	{								\
		COUNT(name);						\
		return 1;						\
	}

/* Kinds that rewrite an address. */
#define REWRITES(section, name, verdict)				\
	__u64 name##_runs;						\
	SEC("?" section) int name(struct bpf_sock_addr *address)	\
	{								\
		COUNT(name);						\
		if (port)						\
			address->user_port = bpf_htons(port);		\
		return verdict;						\
	}

DECIDES("cgroup_skb/ingress", ingress, __sk_buff)
DECIDES("cgroup_skb/egress", egress, __sk_buff)

DECIDES("cgroup/sock_create", sock_create, bpf_sock)
SEES("cgroup/sock_release", sock_release, bpf_sock)
DECIDES("cgroup/post_bind4", post_bind4, bpf_sock)
DECIDES("cgroup/post_bind6", post_bind6, bpf_sock)

DECIDES("cgroup/bind4", bind4, bpf_sock_addr)
DECIDES("cgroup/bind6", bind6, bpf_sock_addr)
REWRITES("cgroup/connect4", connect4, deny ? 0 : 1)
REWRITES("cgroup/connect6", connect6, deny ? 0 : 1)
REWRITES("cgroup/sendmsg4", sendmsg4, deny ? 0 : 1)
REWRITES("cgroup/sendmsg6", sendmsg6, deny ? 0 : 1)
REWRITES("cgroup/recvmsg4", recvmsg4, 1)
REWRITES("cgroup/recvmsg6", recvmsg6, 1)
REWRITES("cgroup/getpeername4", getpeername4, 1)
REWRITES("cgroup/getpeername6", getpeername6, 1)
REWRITES("cgroup/getsockname4", getsockname4, 1)
REWRITES("cgroup/getsockname6", getsockname6, 1)
DECIDES("cgroup/connect_unix", connect_unix, bpf_sock_addr)
DECIDES("cgroup/sendmsg_unix", sendmsg_unix, bpf_sock_addr)
SEES("cgroup/recvmsg_unix", recvmsg_unix, bpf_sock_addr)
SEES("cgroup/getpeername_unix", getpeername_unix, bpf_sock_addr)
SEES("cgroup/getsockname_unix", getsockname_unix, bpf_sock_addr)

DECIDES("cgroup/getsockopt", getsockopt, bpf_sockopt)
DECIDES("cgroup/setsockopt", setsockopt, bpf_sockopt)
DECIDES("cgroup/sysctl", sysctl, bpf_sysctl)
DECIDES("cgroup/dev", device, bpf_cgroup_dev_ctx)

/* TCP tells of what it established itself, and of what was established with it. */
__u64 sock_ops_runs;
__u64 active_established;
__u64 passive_established;

SEC("?sockops")
int sock_ops(struct bpf_sock_ops *event)
{
	COUNT(sock_ops);
	if (event->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		__sync_fetch_and_add(&active_established, 1);
	if (event->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		__sync_fetch_and_add(&passive_established, 1);
	return 1;
}
