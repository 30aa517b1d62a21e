/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A program that kernel lockdown forbids. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sys_enter")
int writes(void *ctx)
{
	int one = 1;

	return bpf_probe_write_user(NULL, &one, sizeof(one));
}
