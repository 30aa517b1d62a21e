/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs that count UDP packets to a port, and drop them if they are told to; a test loads those it names. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define ETHERNET_HEADER 14
#define TC_ACT_SHOT 2
#define TCX_NEXT -1
#define NETKIT_NEXT -1
#define NETKIT_DROP 2

/* The port that counts, in host order, so that other packets do not. */
volatile __u16 port = 0;
volatile __u32 drops = 0;

__u64 xdp_runs;
__u64 other_xdp_runs;
__u64 ingress_runs;
__u64 other_ingress_runs;
__u64 egress_runs;
__u64 classifier_runs;
__u64 other_classifier_runs;
__u64 primary_runs;
__u64 other_primary_runs;
__u64 peer_runs;
__u64 filter_runs;

static __always_inline bool is_to_port(void *data, void *end)
{
	struct iphdr *ip = data;
	struct udphdr *udp = (void *)(ip + 1);

	return (void *)(udp + 1) <= end && ip->version == 4 && ip->protocol == IPPROTO_UDP &&
	       udp->dest == bpf_htons(port);
}

static __always_inline bool counts(void *data, void *end, __u64 *runs)
{
	if (!is_to_port(data, end))
		return false;
	__sync_fetch_and_add(runs, 1);
	return drops;
}

static __always_inline bool frame_counts(struct __sk_buff *skb, __u64 *runs)
{
	void *data = (void *)(long)skb->data;

	return counts(data + ETHERNET_HEADER, (void *)(long)skb->data_end, runs);
}

SEC("?xdp")
int xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;

	return counts(data + ETHERNET_HEADER, (void *)(long)ctx->data_end, &xdp_runs) ? XDP_DROP : XDP_PASS;
}

SEC("?xdp")
int other_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;

	return counts(data + ETHERNET_HEADER, (void *)(long)ctx->data_end, &other_xdp_runs) ? XDP_DROP : XDP_PASS;
}

SEC("?tcx/ingress")
int ingress(struct __sk_buff *skb)
{
	return frame_counts(skb, &ingress_runs) ? TC_ACT_SHOT : TCX_NEXT;
}

SEC("?tcx/ingress")
int other_ingress(struct __sk_buff *skb)
{
	return frame_counts(skb, &other_ingress_runs) ? TC_ACT_SHOT : TCX_NEXT;
}

SEC("?tcx/egress")
int egress(struct __sk_buff *skb)
{
	return frame_counts(skb, &egress_runs) ? TC_ACT_SHOT : TCX_NEXT;
}

SEC("?tc")
int classifier(struct __sk_buff *skb)
{
	return frame_counts(skb, &classifier_runs) ? TC_ACT_SHOT : -1;
}

SEC("?tc")
int other_classifier(struct __sk_buff *skb)
{
	return frame_counts(skb, &other_classifier_runs) ? TC_ACT_SHOT : -1;
}

SEC("?netkit/primary")
int primary(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&primary_runs, 1);
	return drops ? NETKIT_DROP : NETKIT_NEXT;
}

SEC("?netkit/primary")
int other_primary(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&other_primary_runs, 1);
	return drops ? NETKIT_DROP : NETKIT_NEXT;
}

SEC("?netkit/peer")
int peer(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&peer_runs, 1);
	return drops ? NETKIT_DROP : NETKIT_NEXT;
}

#define NF_DROP 0
#define NF_ACCEPT 1

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr__uninit) __ksym __weak;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 buffer__szk)
	__ksym __weak;

/* Only UDP to the port, as above; the packet begins with its IP header here. */
SEC("?netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	struct __sk_buff *skb = (struct __sk_buff *)ctx->skb;
	__u8 buffer[sizeof(struct iphdr) + sizeof(struct udphdr)] = {};
	struct bpf_dynptr packet;
	struct iphdr *ip;
	struct udphdr *udp;

	if (bpf_dynptr_from_skb(skb, 0, &packet))
		return NF_ACCEPT;
	ip = bpf_dynptr_slice(&packet, 0, buffer, sizeof(buffer));
	if (!ip)
		return NF_ACCEPT;
	udp = (void *)(ip + 1);
	if (ip->version != 4 || ip->protocol != IPPROTO_UDP || udp->dest != bpf_htons(port))
		return NF_ACCEPT;
	__sync_fetch_and_add(&filter_runs, 1);
	return drops ? NF_DROP : NF_ACCEPT;
}
