/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A program for what no kernel has. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("iter/nonesuch")
int walker(void *ctx)
{
	return 0;
}
