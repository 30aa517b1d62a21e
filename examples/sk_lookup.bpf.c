/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Steers connections to many ports to one listening socket, also where another listens. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The ports, in host byte order. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u16);
	__type(value, __u8);
} ports SEC(".maps");

/* The listening socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} listener SEC(".maps");

/* Connections steered. */
__u64 steered;

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	__u16 port = ctx->local_port;
	struct bpf_sock *sock;
	__u32 index = 0;
	long error;

	if (ctx->protocol != IPPROTO_TCP || !bpf_map_lookup_elem(&ports, &port))
		return SK_PASS;
	sock = bpf_map_lookup_elem(&listener, &index);
	if (!sock)
		return SK_PASS;
	/* The listener is of IPv4: this leaves IPv6 to the kernel. */
	error = bpf_sk_assign(ctx, sock, 0);
	bpf_sk_release(sock);
	if (!error)
		__sync_fetch_and_add(&steered, 1);
	return SK_PASS;
}
