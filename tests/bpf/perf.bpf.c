/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Writes samples into perf buffers, as many and as large as the arguments of a test run say. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define MOST_SAMPLES 512	/* of one run */
#define LARGEST_SAMPLE 4096

struct event {
	__u64 sequence;
	__u32 size;
	__u32 cpu;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

union {
	struct event event;
	char bytes[LARGEST_SAMPLE];
} sample;

struct event *type_of_events;	/* a perf event array has no value type: this keeps the struct in the BTF */

__u64 refused;		/* samples that the kernel did not take */

/* args: how many samples, and bytes of each */
SEC("raw_tp")
int output(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 count = ctx->args[0], size = ctx->args[1], i;

	if (size > LARGEST_SAMPLE)
		return -1;
	for (i = 0; i < MOST_SAMPLES && i < count; i++) {
		sample.event.size = size;
		sample.event.cpu = bpf_get_smp_processor_id();
		if (bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &sample, size))
			__sync_fetch_and_add(&refused, 1);
		sample.event.sequence++;
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
