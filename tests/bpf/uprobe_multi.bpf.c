/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Probes of many functions of the C library at once. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

const volatile pid_t target_pid = 0;
__u64 on_entry_runs;
__u64 on_return_runs;
__u64 cookie;

static __always_inline bool is_target(void)
{
	return target_pid == (pid_t)(bpf_get_current_pid_tgid() >> 32);
}

SEC("uprobe.multi/libc.so.6:getpgi?")
int on_entry(struct pt_regs *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&on_entry_runs, 1);
	return 0;
}

SEC("uretprobe.multi/libc.so.6:getpgi?")
int on_return(struct pt_regs *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&on_return_runs, 1);
	return 0;
}

/* The section does not say where. */
SEC("?uprobe.multi")
int with_cookie(struct pt_regs *ctx)
{
	if (is_target())
		cookie = bpf_get_attach_cookie(ctx);
	return 0;
}

SEC("?uprobe.multi/libc.so.6:no_such_func*")
int missing(struct pt_regs *ctx)
{
	return 0;
}

/* For one function. */
SEC("?uprobe")
int one(struct pt_regs *ctx)
{
	return 0;
}
