/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs on a security hook for the processes of a cgroup. They need trampolines and Linux 6.0. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

__u64 on_bind_runs;
__u64 other_bind_runs;

SEC("lsm_cgroup/socket_bind")
int BPF_PROG(on_bind, struct socket *sock, struct sockaddr *address, int length)
{
	__sync_fetch_and_add(&on_bind_runs, 1);
	return 1;
}

SEC("lsm_cgroup/socket_bind")
int BPF_PROG(other_bind, struct socket *sock, struct sockaddr *address, int length)
{
	__sync_fetch_and_add(&other_bind_runs, 1);
	return 1;
}
