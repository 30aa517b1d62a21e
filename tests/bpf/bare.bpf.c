/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Programs whose sections do not say where they attach, of all kinds whose sections may. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define BARE(where, name) \
	SEC(where) int name(void *context) { return 0; }

BARE("kprobe", on_kprobe)
BARE("kretprobe", on_kretprobe)
BARE("ksyscall", on_ksyscall)
BARE("kretsyscall", on_kretsyscall)
BARE("kprobe.multi", on_kprobe_multi)
BARE("kretprobe.multi", on_kretprobe_multi)
BARE("kprobe.session", on_kprobe_session)
BARE("uprobe", on_uprobe)
BARE("uretprobe", on_uretprobe)
BARE("uprobe.multi", on_uprobe_multi)
BARE("uretprobe.multi", on_uretprobe_multi)
BARE("uprobe.session", on_uprobe_session)
BARE("usdt", on_usdt)
BARE("tp", on_tracepoint)
BARE("raw_tp", on_raw_tracepoint)
BARE("raw_tp.w", on_raw_tracepoint_writable)
BARE("fentry", on_fentry)
BARE("fexit", on_fexit)
BARE("fmod_ret", on_fmod_ret)
BARE("tp_btf", on_tp_btf)
BARE("iter", on_iter)
BARE("lsm", on_lsm)
