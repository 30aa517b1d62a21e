/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* TCP connections: when one is there, with its addresses, and when it is gone, with its age and what it sent. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define AF_INET 2

/* Only connections with this port at either end; 0 for all. User space sets it before the load. */
const volatile __u16 only_port = 0;

enum what { OPENED, CLOSED, FAILED };

struct event {
	__u64 began_ns;
	__u64 duration_ns;
	__u64 sent; /* bytes, without what was sent again */
	enum what what;
	__u32 pid; /* of who connects; 0 for connections that others made to here */
	__u16 family;
	__u16 local_port, remote_port; /* in host byte order */
	bool established;
	__u8 local[16], remote[16]; /* the first four bytes for IPv4 */
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

/* What is known of each connection, by the address of its socket: a closed one has no port any more. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct event);
} connections SEC(".maps");

static void read_addresses(struct event *event, struct sock *sk)
{
	event->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	event->local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	event->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (event->family == AF_INET) {
		BPF_CORE_READ_INTO((__u32 *)event->local, sk, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)event->remote, sk, __sk_common.skc_daddr);
	} else {
		BPF_CORE_READ_INTO((struct in6_addr *)event->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)event->remote, sk, __sk_common.skc_v6_daddr);
	}
}

static void report(struct event *event, enum what what)
{
	event->what = what;
	event->duration_ns = bpf_ktime_get_ns() - event->began_ns;
	if (!only_port || event->local_port == only_port || event->remote_port == only_port)
		bpf_ringbuf_output(&events, event, sizeof(*event), 0);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int old_state, int new_state)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	__u64 key = (unsigned long)sk;
	struct event *event, fresh = {};

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	/* A connection begins here with a call of connect(), or with a packet from elsewhere. */
	if (new_state == TCP_SYN_SENT || (old_state == TCP_SYN_RECV && new_state == TCP_ESTABLISHED)) {
		fresh.began_ns = bpf_ktime_get_ns();
		if (new_state == TCP_SYN_SENT) {
			fresh.pid = bpf_get_current_pid_tgid() >> 32;
			bpf_get_current_comm(fresh.comm, sizeof(fresh.comm));
		}
		bpf_map_update_elem(&connections, &key, &fresh, BPF_ANY);
	}
	event = bpf_map_lookup_elem(&connections, &key);
	if (!event)
		return 0;
	if (new_state == TCP_ESTABLISHED) {
		read_addresses(event, sk);
		event->established = true;
		report(event, OPENED);
	} else if (new_state == TCP_CLOSE) {
		if (!event->established)
			read_addresses(event, sk);
		event->sent = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans);
		report(event, event->established ? CLOSED : FAILED);
		bpf_map_delete_elem(&connections, &key);
	}
	return 0;
}

/* Keeps the type in the object's BTF: user space reads events by its name. */
const struct event *unused __attribute__((unused));
