/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* An arena. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16);
} memory SEC(".maps");
