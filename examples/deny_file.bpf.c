/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A security policy: nobody opens one file. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define EPERM 1

/* The file, by its device as major << 20 | minor. User space sets these before the load. */
const volatile __u32 device = 0;
const volatile __u64 inode = 0;

struct denial {
	pid_t pid;
	uid_t uid;
	char comm[16];
};

/* Keeps the type in the object's BTF: user space reads denials by its name. */
const struct denial *unused __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} denials SEC(".maps");

/* How often it was denied. */
__u64 denied;

SEC("lsm/file_open")
int BPF_PROG(deny_open, struct file *file, int before)
{
	struct denial *denial;

	/* Another program, or security module, has denied it already. */
	if (before)
		return before;
	if (file->f_inode->i_ino != inode || file->f_inode->i_sb->s_dev != device)
		return 0;
	__sync_fetch_and_add(&denied, 1);
	denial = bpf_ringbuf_reserve(&denials, sizeof(*denial), 0);
	if (denial) {
		denial->pid = bpf_get_current_pid_tgid() >> 32;
		denial->uid = bpf_get_current_uid_gid();
		bpf_get_current_comm(denial->comm, sizeof(denial->comm));
		bpf_ringbuf_submit(denial, 0);
	}
	return -EPERM;
}
