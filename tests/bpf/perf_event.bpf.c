/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs on perf events. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

const volatile pid_t target_pid = 0;
__u64 on_event_runs;
__u64 anywhere_runs;
__u64 cookie;

static __always_inline bool is_target(void)
{
	return target_pid == (pid_t)(bpf_get_current_pid_tgid() >> 32);
}

SEC("perf_event")
int on_event(struct bpf_perf_event_data *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&on_event_runs, 1);
	return 0;
}

/* Counts what every process does. */
SEC("perf_event")
int anywhere(struct bpf_perf_event_data *ctx)
{
	__sync_fetch_and_add(&anywhere_runs, 1);
	return 0;
}

/* bpf_get_attach_cookie() needs 5.15, so that it is loaded by those who ask. */
SEC("?perf_event")
int with_cookie(struct bpf_perf_event_data *ctx)
{
	if (is_target())
		cookie = bpf_get_attach_cookie(ctx);
	return 0;
}
