/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs on the static probes of usdt.lib.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

char LICENSE[] SEC("license") = "GPL";

const volatile pid_t target_pid = 0;
__u64 on_probe_runs;
__u64 cookie;
__s64 arguments[2];
__u64 argument_count;

static __always_inline bool is_target(void)
{
	return target_pid == (pid_t)(bpf_get_current_pid_tgid() >> 32);
}

/* The section does not say where: the library lies where it was built. */
SEC("usdt")
int on_probe(struct pt_regs *ctx)
{
	long value;

	if (!is_target())
		return 0;
	cookie = bpf_usdt_cookie(ctx);
	argument_count = bpf_usdt_arg_cnt(ctx);
	if (!bpf_usdt_arg(ctx, 0, &value))
		arguments[0] = value;
	if (!bpf_usdt_arg(ctx, 1, &value))
		arguments[1] = value;
	__sync_fetch_and_add(&on_probe_runs, 1);
	return 0;
}

/* This process loads no such library. */
SEC("?usdt/libnone.so.6:pylibbpf:both")
int nowhere(struct pt_regs *ctx)
{
	return 0;
}

SEC("?usdt.s/libnone.so.6:pylibbpf:both")
int sleepable(struct pt_regs *ctx)
{
	return 0;
}

SEC("?uprobe")
int no_usdt(struct pt_regs *ctx)
{
	return 0;
}
