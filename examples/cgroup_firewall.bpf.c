/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What a cgroup may not send to: addresses and ports. The map of counts is shared by all generations of rules. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PASS 1
#define DENY 0

/* A packet's destination. A rule is a prefix of it: the port, 0 for any, and as much of the address as it names. */
struct destination {
	__u32 prefix_length;
	__u32 port; /* in host byte order: a number of its own in the prefix */
	__u32 address[4]; /* IPv4 as ::ffff:a.b.c.d */
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct destination);
	__type(value, __u8);
} denied SEC(".maps");

enum verdict { DENIED, PASSED, VERDICTS };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

/* A packet begins with its IP header here. */
static void read_destination(struct __sk_buff *skb, struct destination *to)
{
	struct ipv6hdr ipv6;
	struct iphdr ip;
	struct udphdr ports; /* TCP has them in the same place */
	__u32 offset = 0;
	__u8 protocol = 0;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return;
	if (ip.version == 4) {
		to->address[2] = bpf_htonl(0xffff);
		to->address[3] = ip.daddr;
		protocol = ip.protocol;
		offset = ip.ihl * 4;
	} else if (!bpf_skb_load_bytes(skb, 0, &ipv6, sizeof(ipv6))) {
		__builtin_memcpy(to->address, &ipv6.daddr, sizeof(to->address));
		protocol = ipv6.nexthdr;
		offset = sizeof(ipv6);
	}
	if ((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) &&
	    !bpf_skb_load_bytes(skb, offset, &ports, sizeof(ports)))
		to->port = bpf_ntohs(ports.dest);
}

SEC("cgroup_skb/egress")
int filter(struct __sk_buff *skb)
{
	struct destination to = { .prefix_length = 8 * (sizeof(to) - sizeof(to.prefix_length)) };
	__u32 verdict = PASSED;
	__u64 *count;

	read_destination(skb, &to);
	if (bpf_map_lookup_elem(&denied, &to))
		verdict = DENIED;
	to.port = 0;
	if (bpf_map_lookup_elem(&denied, &to))
		verdict = DENIED;
	count = bpf_map_lookup_elem(&counts, &verdict);
	if (count)
		__sync_fetch_and_add(count, 1);
	return verdict == DENIED ? DENY : PASS;
}
