/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs on what the processes of a cgroup do. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 on_egress_runs;
__u64 other_egress_runs;
__u64 third_egress_runs;
__u64 either_runs;
__u64 on_create_runs;
__u64 on_connect_runs;
__u64 on_getsockopt_runs;
__u64 on_sysctl_runs;
__u64 on_device_runs;
__u64 on_tcp_runs;
/* Whether on_egress drops packets. */
__u32 drop;
/* The programs in the order in which they ran last, one decimal digit each. */
__u32 order;

static __always_inline void ran(__u64 *runs, __u32 digit)
{
	__sync_fetch_and_add(runs, 1);
	order = order * 10 + digit;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	ran(&on_egress_runs, 1);
	return drop ? 0 : 1;
}

SEC("cgroup_skb/egress")
int other_egress(struct __sk_buff *skb)
{
	ran(&other_egress_runs, 2);
	return 1;
}

SEC("cgroup_skb/egress")
int third_egress(struct __sk_buff *skb)
{
	ran(&third_egress_runs, 3);
	return 1;
}

/* Its section does not say in which direction. */
SEC("cgroup/skb")
int either(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&either_runs, 1);
	return 1;
}

SEC("cgroup/sock_create")
int on_create(struct bpf_sock *sock)
{
	__sync_fetch_and_add(&on_create_runs, 1);
	return 1;
}

SEC("cgroup/connect4")
int on_connect(struct bpf_sock_addr *address)
{
	__sync_fetch_and_add(&on_connect_runs, 1);
	return 1;
}

SEC("cgroup/getsockopt")
int on_getsockopt(struct bpf_sockopt *option)
{
	__sync_fetch_and_add(&on_getsockopt_runs, 1);
	return 1;
}

SEC("cgroup/sysctl")
int on_sysctl(struct bpf_sysctl *sysctl)
{
	__sync_fetch_and_add(&on_sysctl_runs, 1);
	return 1;
}

SEC("cgroup/dev")
int on_device(struct bpf_cgroup_dev_ctx *device)
{
	__sync_fetch_and_add(&on_device_runs, 1);
	return 1;
}

SEC("sockops")
int on_tcp(struct bpf_sock_ops *event)
{
	__sync_fetch_and_add(&on_tcp_runs, 1);
	return 1;
}
