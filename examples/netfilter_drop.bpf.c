/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A netfilter rule: drops TCP and UDP packets to some ports. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define NF_DROP 0
#define NF_ACCEPT 1

/* The ports to drop, in host byte order, and how many packets to each were dropped. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u16);
	__type(value, __u64);
} dropped SEC(".maps");

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr__uninit) __ksym __weak;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 buffer__szk)
	__ksym __weak;

/* Copies a part of the packet if it is not in one piece; NULL if the packet is shorter. */
#define slice(packet, offset, type) \
	((type *)bpf_dynptr_slice(packet, offset, &(type){}, sizeof(type)))

SEC("netfilter")
int drop_ports(struct bpf_nf_ctx *ctx)
{
	struct bpf_dynptr packet;
	struct ipv6hdr *ipv6;
	struct udphdr *ports; /* TCP has them in the same place */
	struct iphdr *ip;
	__u32 offset;
	__u64 *count;
	__u8 protocol;
	__u16 port;

	/* The packet begins with its IP header on all hooks. */
	if (bpf_dynptr_from_skb((struct __sk_buff *)ctx->skb, 0, &packet))
		return NF_ACCEPT;
	ip = slice(&packet, 0, struct iphdr);
	if (!ip)
		return NF_ACCEPT;
	if (ip->version == 4) {
		if (ip->frag_off & bpf_htons(0x1fff)) /* a later fragment has no ports */
			return NF_ACCEPT;
		protocol = ip->protocol;
		offset = ip->ihl * 4;
	} else {
		ipv6 = slice(&packet, 0, struct ipv6hdr);
		if (!ipv6)
			return NF_ACCEPT;
		protocol = ipv6->nexthdr;
		offset = sizeof(*ipv6);
	}
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return NF_ACCEPT;
	ports = slice(&packet, offset, struct udphdr);
	if (!ports)
		return NF_ACCEPT;
	port = bpf_ntohs(ports->dest);
	count = bpf_map_lookup_elem(&dropped, &port);
	if (!count)
		return NF_ACCEPT;
	__sync_fetch_and_add(count, 1);
	return NF_DROP;
}
