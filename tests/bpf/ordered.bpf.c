/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Three programs for one hook of a network interface. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int first(struct __sk_buff *skb)
{
	return 0;
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	return 0;
}

SEC("tc")
int third(struct __sk_buff *skb)
{
	return 0;
}
