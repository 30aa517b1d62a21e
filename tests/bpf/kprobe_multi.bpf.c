/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Probes of many kernel functions at once. */
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

SEC("kprobe.multi/__x64_sys_getpgi?")
int on_entry(struct pt_regs *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&on_entry_runs, 1);
	return 0;
}

SEC("kretprobe.multi/__x64_sys_getpgi?")
int on_return(struct pt_regs *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&on_return_runs, 1);
	return 0;
}

/* The section does not say where. */
SEC("?kprobe.multi")
int with_cookie(struct pt_regs *ctx)
{
	if (is_target())
		cookie = bpf_get_attach_cookie(ctx);
	return 0;
}

SEC("?kprobe.multi/no_such_func*")
int missing(struct pt_regs *ctx)
{
	return 0;
}

/* For one function. */
SEC("?kprobe")
int one(struct pt_regs *ctx)
{
	return 0;
}
