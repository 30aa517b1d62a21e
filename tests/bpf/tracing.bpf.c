/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs that need BPF trampolines. They run when bpf_fentry_test1 does: in a test run of any of them. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile pid_t target_pid = 0;

__u64 entries;
__u64 exits;
__s32 last_argument;
__s32 last_result;

/* Anybody's test run calls bpf_fentry_test1. */
static __always_inline bool is_target(void)
{
	return target_pid == (pid_t)(bpf_get_current_pid_tgid() >> 32);
}

SEC("fentry/bpf_fentry_test1")
int BPF_PROG(on_entry, int a)
{
	if (!is_target())
		return 0;
	__sync_fetch_and_add(&entries, 1);
	last_argument = a;
	return 0;
}

SEC("fexit/bpf_fentry_test1")
int BPF_PROG(on_exit, int a, int result)
{
	if (!is_target())
		return 0;
	__sync_fetch_and_add(&exits, 1);
	last_result = result;
	return 0;
}
