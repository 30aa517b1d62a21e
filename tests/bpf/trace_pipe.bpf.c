/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Writes lines to the kernel's trace_pipe. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("raw_tp")
int speak(struct bpf_raw_tracepoint_args *ctx)
{
	bpf_printk("pylibbpf says %llu", ctx->args[0]);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
