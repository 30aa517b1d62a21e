/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Counts packets and bytes in both directions of a device, by the address of the other side. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETHERNET_HEADER 14
#define TCX_NEXT -1

/* IPv4 as ::ffff:a.b.c.d */
struct address {
	__u32 words[4];
};

struct traffic {
	__u64 packets_in, bytes_in;
	__u64 packets_out, bytes_out;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct address);
	__type(value, struct traffic);
} traffic SEC(".maps");

static struct traffic *traffic_of(struct __sk_buff *skb, int offset4, int offset6)
{
	struct address address = {};
	struct traffic none = {};
	long error;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		address.words[2] = bpf_htonl(0xffff);
		error = bpf_skb_load_bytes(skb, ETHERNET_HEADER + offset4, &address.words[3], 4);
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		error = bpf_skb_load_bytes(skb, ETHERNET_HEADER + offset6, &address, sizeof(address));
	} else {
		return NULL;
	}
	if (error)
		return NULL;
	bpf_map_update_elem(&traffic, &address, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&traffic, &address);
}

/* TCX_NEXT hands the packet to the next program of the hook, whoever attached that. */
SEC("tcx/ingress")
int on_ingress(struct __sk_buff *skb)
{
	struct traffic *count =
		traffic_of(skb, offsetof(struct iphdr, saddr), offsetof(struct ipv6hdr, saddr));

	if (count) {
		count->packets_in++;
		count->bytes_in += skb->len;
	}
	return TCX_NEXT;
}

SEC("tcx/egress")
int on_egress(struct __sk_buff *skb)
{
	struct traffic *count =
		traffic_of(skb, offsetof(struct iphdr, daddr), offsetof(struct ipv6hdr, daddr));

	if (count) {
		count->packets_out++;
		count->bytes_out += skb->len;
	}
	return TCX_NEXT;
}
