/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* One program of each kind that hooks kernel functions; a test loads those that it names, and a runner. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EACCES 13

char LICENSE[] SEC("license") = "GPL";

const volatile pid_t target_pid = 0;

__u64 entered_runs;
__u64 entered_module_runs;
__u64 left_module_runs;
__u64 returned_runs;
__u64 modified_runs;
__u64 session_runs;
__u64 opened_runs;
__u64 cookie;
bool denies;

static __always_inline bool is_target(void)
{
	return target_pid == (pid_t)(bpf_get_current_pid_tgid() >> 32);
}

/* A test run of it calls bpf_fentry_test1 (net/bpf/test_run.c). */
SEC("?fentry/bpf_fentry_test2")
int BPF_PROG(run_fentry_tests)
{
	return 0;
}

SEC("?fentry/bpf_fentry_test1")
int BPF_PROG(entered, int a)
{
	if (is_target())
		__sync_fetch_and_add(&entered_runs, a);
	return 0;
}

SEC("?fentry/bpf_fentry_test1")
int BPF_PROG(entered_with_cookie, int a)
{
	if (is_target())
		cookie = bpf_get_attach_cookie(ctx);
	return 0;
}

SEC("?fentry")
int entered_module(void *ctx)
{
	__sync_fetch_and_add(&entered_module_runs, 1);
	return 0;
}

SEC("?fexit")
int left_module(void *ctx)
{
	__sync_fetch_and_add(&left_module_runs, 1);
	return 0;
}

SEC("?fexit/bpf_fentry_test1")
int BPF_PROG(returned, int a, int result)
{
	if (is_target())
		__sync_fetch_and_add(&returned_runs, result - a);
	return 0;
}

SEC("?fsession/bpf_fentry_test1")
int BPF_PROG(session, int a)
{
	if (is_target())
		__sync_fetch_and_add(&session_runs, 1);
	return 0;
}

/* Security hooks may be modified in every kernel; bpf_modify_return_test only with error injection. */
SEC("?fmod_ret/security_file_open")
int BPF_PROG(modified, struct file *file, int result)
{
	if (result || !is_target())
		return result;
	__sync_fetch_and_add(&modified_runs, 1);
	return denies ? -EACCES : 0;
}

SEC("?lsm/file_open")
int BPF_PROG(opened, struct file *file, int result)
{
	if (result || !is_target())
		return result;
	__sync_fetch_and_add(&opened_runs, 1);
	return denies ? -EACCES : 0;
}
