/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Probes of kernel functions. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile pid_t target_pid = 0;
__u64 entries;
__u64 returns;

SEC("kprobe/__x64_sys_getpgid")
int on_entry(struct pt_regs *ctx)
{
	if (target_pid == (pid_t)(bpf_get_current_pid_tgid() >> 32))
		__sync_fetch_and_add(&entries, 1);
	return 0;
}

SEC("kretprobe/__x64_sys_getpgid")
int on_return(struct pt_regs *ctx)
{
	if (target_pid == (pid_t)(bpf_get_current_pid_tgid() >> 32))
		__sync_fetch_and_add(&returns, 1);
	return 0;
}
