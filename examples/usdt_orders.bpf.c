/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The static probes of usdt_orders.prog.c: what is ordered, what it is sold for, and how long that takes. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/usdt.bpf.h>

char LICENSE[] SEC("license") = "GPL";

struct order {
	__u64 duration_ns;	/* when ordered: the time */
	int quantity;
	int total;
	char item[32];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} orders SEC(".maps");

/* What each thread of a shop has at hand. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, pid_t);
	__type(value, struct order);
} open_orders SEC(".maps");

/* User space says which file these are in. */
SEC("usdt")
int BPF_USDT(on_ordered, const char *item, int quantity)
{
	struct order order = {.duration_ns = bpf_ktime_get_ns(), .quantity = quantity};
	pid_t tid = bpf_get_current_pid_tgid();

	bpf_probe_read_user_str(order.item, sizeof(order.item), item);
	bpf_map_update_elem(&open_orders, &tid, &order, BPF_ANY);
	return 0;
}

SEC("usdt")
int BPF_USDT(on_sold, int quantity, int total)
{
	pid_t tid = bpf_get_current_pid_tgid();
	struct order *order = bpf_map_lookup_elem(&open_orders, &tid);

	if (!order)
		return 0;
	order->duration_ns = bpf_ktime_get_ns() - order->duration_ns;
	order->total = total;
	bpf_ringbuf_output(&orders, order, sizeof(*order), 0);
	bpf_map_delete_elem(&open_orders, &tid);
	return 0;
}
