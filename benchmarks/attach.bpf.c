/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A program of each kind that links are made of, and that hardly ever runs. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

#define RETURNS(section, name, value) \
	SEC(section) int name(void *context) { return value; }

RETURNS("iter/task", on_iter, 0)
RETURNS("tp_btf/cgroup_mkdir", on_tp_btf, 0)
RETURNS("raw_tp/cgroup_rmdir", on_raw_tp, 0)
RETURNS("tp/cgroup/cgroup_rename", on_tracepoint, 0)
RETURNS("perf_event", on_perf_event, 0)
RETURNS("uprobe", on_uprobe, 0)
RETURNS("uprobe.multi", on_uprobe_multi, 0)
RETURNS("cgroup_skb/egress", on_cgroup, 1)
RETURNS("sk_lookup", on_netns, SK_PASS)
RETURNS("sk_msg", on_sockmap, SK_PASS)
RETURNS("socket", on_socket_filter, 0)
RETURNS("xdp", on_xdp, XDP_PASS)
RETURNS("tcx/ingress", on_tcx, -1)
RETURNS("netfilter", on_netfilter, 1)
RETURNS("netkit/primary", on_netkit, -1)
RETURNS("kprobe", on_kprobe, 0)
RETURNS("kprobe.multi", on_kprobe_multi, 0)
RETURNS("fentry/bpf_fentry_test1", on_fentry, 0)
RETURNS("lsm/path_chroot", on_lsm, 0)

/* A tracepoint takes a program once only, and so do devices: these are attached meanwhile. */
RETURNS("tp/cgroup/cgroup_rename", held_tracepoint, 0)
RETURNS("tcx/ingress", held_tcx, -1)
RETURNS("netkit/primary", held_netkit, -1)
RETURNS("fentry/bpf_fentry_test1", held_fentry, 0)
RETURNS("lsm/path_chroot", held_lsm, 0)
