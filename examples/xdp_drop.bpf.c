/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Counts what a device receives, by protocol and port, before the network stack sees it, and drops some. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

struct service {
	__u16 protocol;
	__u16 port; /* where the packet goes, in host byte order; 0 if the protocol has none */
};

struct count {
	__u64 passed;
	__u64 dropped;
	__u64 bytes;
};

/* One count for each CPU: no two of them write to the same memory. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct service);
	__type(value, struct count);
} counts SEC(".maps");

/* The ports to drop, in host byte order. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u16);
	__type(value, __u8);
} dropped_ports SEC(".maps");

/* What the packet is of; false if it is not IP. The verifier wants every read to be compared with the end. */
static bool classify(void *data, void *end, struct service *service)
{
	struct ethhdr *ethernet = data;
	struct ipv6hdr *ipv6 = (void *)(ethernet + 1);
	struct iphdr *ip = (void *)(ethernet + 1);
	struct udphdr *ports; /* TCP has them in the same place */

	if ((void *)(ip + 1) > end)
		return false;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
		service->protocol = ip->protocol;
		ports = (void *)ip + ip->ihl * 4;
		if (ip->frag_off & bpf_htons(0x1fff)) /* a later fragment has no ports */
			return true;
	} else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6) && (void *)(ipv6 + 1) <= end) {
		service->protocol = ipv6->nexthdr;
		ports = (void *)(ipv6 + 1);
	} else {
		return false;
	}
	if ((service->protocol == IPPROTO_TCP || service->protocol == IPPROTO_UDP) && (void *)(ports + 1) <= end)
		service->port = bpf_ntohs(ports->dest);
	return true;
}

SEC("xdp")
int count_and_drop(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct service service = {};
	struct count *count, none = {};
	bool drop;

	if (!classify(data, end, &service))
		return XDP_PASS;
	drop = service.port && bpf_map_lookup_elem(&dropped_ports, &service.port);
	bpf_map_update_elem(&counts, &service, &none, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&counts, &service);
	if (count) {
		count->bytes += end - data;
		if (drop)
			count->dropped++;
		else
			count->passed++;
	}
	return drop ? XDP_DROP : XDP_PASS;
}
