/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Writes lines to the program's own streams (6.17). */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

/* Its form since 7.0. 6.18 has it with an argument more, as bpf_stream_vprintk_impl. */
extern int bpf_stream_vprintk(int stream_id, const char *format, const void *arguments, __u32 size)
	__ksym __weak;
extern int bpf_stream_vprintk_impl(int stream_id, const char *format, const void *arguments, __u32 size,
				   void *program) __ksym __weak;

__u64 lines;

static __always_inline void print(int stream, const char *format)
{
	__u64 arguments[1] = { lines };

	if (bpf_ksym_exists(bpf_stream_vprintk_impl))
		bpf_stream_vprintk_impl(stream, format, arguments, sizeof(arguments), NULL);
	else if (bpf_ksym_exists(bpf_stream_vprintk))
		bpf_stream_vprintk(stream, format, arguments, sizeof(arguments));
}

static const char line[] = "line %llu\n";
static const char error[] = "error %llu\nand more, ";

SEC("raw_tp")
int speak(void *context)
{
	lines++;
	print(1, line);		/* BPF_STDOUT */
	print(2, error);	/* BPF_STDERR */
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
