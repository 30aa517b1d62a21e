/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The least that loads: no map, no global, no CO-RE. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("socket")
int nothing(struct __sk_buff *ctx)
{
	return 0;
}
