/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs on tracepoints. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

const volatile pid_t target_pid = 0;
__u64 on_enter_runs;
__u64 cookie;

static __always_inline bool is_target(void)
{
	return target_pid == (pid_t)(bpf_get_current_pid_tgid() >> 32);
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int on_enter(void *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&on_enter_runs, 1);
	return 0;
}

/* The section does not say where. bpf_get_attach_cookie() needs 5.15, so that it is loaded by those who ask. */
SEC("?tracepoint")
int with_cookie(void *ctx)
{
	if (is_target())
		cookie = bpf_get_attach_cookie(ctx);
	return 0;
}

/* Reads more than any system call's tracepoint records. */
SEC("?tp/syscalls/sys_enter_getpgid")
int beyond(void *ctx)
{
	return *(volatile __u64 *)(ctx + 1024) != 0;
}
