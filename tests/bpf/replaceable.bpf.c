/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Two programs with functions that an extension can replace. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

volatile int question = 1;

__attribute__((noinline)) int answer(int question)
{
	return question + 1;
}

__attribute__((noinline)) int other_answer(int question)
{
	return question + 2;
}

__attribute__((noinline)) long unlike(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	return answer(question) + other_answer(question) + unlike(ctx) * 0;
}

SEC("xdp")
int second(struct xdp_md *ctx)
{
	return answer(question);
}
