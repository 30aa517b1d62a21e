/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A probe of the entry and the return of kernel functions (6.10). */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

const volatile pid_t target_pid = 0;
__u64 on_both_runs;

static __always_inline bool is_target(void)
{
	return target_pid == (pid_t)(bpf_get_current_pid_tgid() >> 32);
}

SEC("kprobe.session/__x64_sys_getpgi?")
int on_both(struct pt_regs *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&on_both_runs, 1);
	return 0;
}
