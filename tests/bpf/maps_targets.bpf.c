/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Maps that say where to go, and the programs that go there. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} jumps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} devices_by_key SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} queues SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} recent_per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 3);
	__type(value, __u32);
} line SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} packets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} packets_per_cpu SEC(".maps");

long under = -1;

SEC("socket")
int jump(struct __sk_buff *ctx)
{
	bpf_tail_call(ctx, &jumps, 1);
	return 1;
}

SEC("socket")
int landed(struct __sk_buff *ctx)
{
	return 42;
}

SEC("socket")
int queue_up(struct __sk_buff *ctx)
{
	__u32 key = 1, value;
	__u64 one = 1;

	if (!bpf_map_pop_elem(&line, &value)) {
		value++;
		bpf_map_push_elem(&line, &value, BPF_ANY);
	}
	bpf_map_update_elem(&recent_per_cpu, &key, &one, BPF_ANY);
	return 0;
}

SEC("xdp")
int to_device(struct xdp_md *ctx)
{
	return bpf_redirect_map(&devices, 1, XDP_PASS);
}

SEC("xdp")
int to_device_by_key(struct xdp_md *ctx)
{
	return bpf_redirect_map(&devices_by_key, 1, XDP_PASS);
}

SEC("xdp")
int to_cpu(struct xdp_md *ctx)
{
	return bpf_redirect_map(&cpus, 0, XDP_PASS);
}

SEC("xdp")
int to_socket(struct xdp_md *ctx)
{
	return bpf_redirect_map(&queues, 1, XDP_PASS);
}

SEC("raw_tp/sys_enter")
int inside(void *ctx)
{
	under = bpf_current_task_under_cgroup(&cgroups, 0);
	return 0;
}

SEC("cgroup_skb/egress")
int leaving(struct __sk_buff *ctx)
{
	__u64 *packet = bpf_get_local_storage(&packets, 0);
	__u64 *here = bpf_get_local_storage(&packets_per_cpu, 0);

	__sync_fetch_and_add(packet, 1);
	*here += 1;
	return 1;
}
