/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Writes lines to the program's own streams (6.17). */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

__u64 lines;

SEC("raw_tp")
int speak(struct bpf_raw_tracepoint_args *ctx)
{
	lines++;
	bpf_stream_printk(BPF_STDOUT, "line %llu\n", lines);
	bpf_stream_printk(BPF_STDERR, "error %llu\nand more, ", lines);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
