/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A TCP congestion control: NewReno in its simplest form, which reports each connection that it carried. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* What is remembered of a connection, in the memory that its socket has for this: icsk_ca_priv. */
struct memory {
	__u32 started;
	__u32 largest_window; /* packets */
	__u32 losses;
	__u32 acknowledged; /* packets */
};

struct event {
	__u64 bytes_sent;
	__u32 packets_acknowledged;
	__u32 largest_window;
	__u32 losses;
	__u16 local_port, remote_port; /* in host byte order */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

/* The kernel checks these casts: the functions may write to a few fields of a socket, and no others. */
static struct memory *memory_of(struct sock *sk)
{
	return (struct memory *)((struct inet_connection_sock *)sk)->icsk_ca_priv;
}

SEC("struct_ops/init")
void BPF_PROG(init, struct sock *sk)
{
	struct memory *memory = memory_of(sk);

	memory->started = 1;
	memory->largest_window = 0;
	memory->losses = 0;
	memory->acknowledged = 0;
}

/* After a loss: the window at which growth becomes slow. Half of what was on the way. */
SEC("struct_ops/ssthresh")
__u32 BPF_PROG(ssthresh, struct sock *sk)
{
	__u32 half = ((struct tcp_sock *)sk)->snd_cwnd / 2;

	memory_of(sk)->losses++;
	return half > 2 ? half : 2;
}

/* With each acknowledgement: a packet more for each one acknowledged, or, later, for each full window. */
SEC("struct_ops/cong_avoid")
void BPF_PROG(cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	struct memory *memory = memory_of(sk);
	__u32 window = tcp->snd_cwnd, count = tcp->snd_cwnd_cnt;

	memory->acknowledged += acked;
	if (tcp->is_cwnd_limited || window < tcp->snd_ssthresh) {
		if (window < tcp->snd_ssthresh) {
			window += acked;
		} else if ((count += acked) >= window) {
			count = 0;
			window++;
		}
		if (window > tcp->snd_cwnd_clamp)
			window = tcp->snd_cwnd_clamp;
		tcp->snd_cwnd = window;
		tcp->snd_cwnd_cnt = count;
	}
	if (window > memory->largest_window)
		memory->largest_window = window;
}

/* The loss was none: packets came in another order. */
SEC("struct_ops/undo_cwnd")
__u32 BPF_PROG(undo_cwnd, struct sock *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	return tcp->snd_cwnd > tcp->prior_cwnd ? tcp->snd_cwnd : tcp->prior_cwnd;
}

SEC("struct_ops/release")
void BPF_PROG(release, struct sock *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	struct memory *memory = memory_of(sk);
	struct event event = {};

	if (!memory->started) /* a listening socket */
		return;
	event.bytes_sent = tcp->bytes_sent - tcp->bytes_retrans;
	event.packets_acknowledged = memory->acknowledged;
	event.largest_window = memory->largest_window;
	event.losses = memory->losses;
	event.local_port = bpf_ntohs(((struct inet_sock *)sk)->inet_sport);
	event.remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	bpf_ringbuf_output(&events, &event, sizeof(event), 0);
}

SEC(".struct_ops.link")
struct tcp_congestion_ops reno = {
	.init = (void *)init,
	.ssthresh = (void *)ssthresh,
	.cong_avoid = (void *)cong_avoid,
	.undo_cwnd = (void *)undo_cwnd,
	.release = (void *)release,
	.name = "bpf_example",
};

/* Keeps the type in the object's BTF: user space reads events by its name. */
const struct event *unused __attribute__((unused));
