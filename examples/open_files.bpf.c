/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A walk over the open files of all processes: one record for each. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* User space sets these before the load. Only this process, if not 0: */
const volatile pid_t target_pid = 0;
/* Whether programs may ask for whole paths: since Linux 5.12. Else it is the last name of each. */
const volatile bool whole_paths = true;

struct open_file {
	pid_t pid;
	__u32 fd;
	__u32 mode;		/* as st_mode of stat(2) */
	__u32 device;		/* major << 20 | minor */
	__u64 inode;
	char comm[16];
	char path[256];
};

/* Keeps the type in the object's BTF: user space reads records by its name. */
const struct open_file *unused __attribute__((unused));

/* A record is too long for the stack of a program. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct open_file);
} scratch SEC(".maps");

SEC("iter/task_file")
int list_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct open_file *open_file;
	__u32 zero = 0;

	/* The last call brings none; threads share the files of their process. */
	if (!task || !file || task->pid != task->tgid || (target_pid && task->tgid != target_pid))
		return 0;
	open_file = bpf_map_lookup_elem(&scratch, &zero);
	if (!open_file)
		return 0;
	open_file->pid = task->tgid;
	open_file->fd = ctx->fd;
	open_file->mode = file->f_inode->i_mode;
	open_file->device = file->f_inode->i_sb->s_dev;
	open_file->inode = file->f_inode->i_ino;
	bpf_probe_read_kernel_str(open_file->comm, sizeof(open_file->comm), task->comm);
	open_file->path[0] = 0;
	if (whole_paths)
		bpf_d_path(&file->f_path, open_file->path, sizeof(open_file->path));
	else
		bpf_probe_read_kernel_str(open_file->path, sizeof(open_file->path), file->f_path.dentry->d_name.name);
	bpf_seq_write(ctx->meta->seq, open_file, sizeof(*open_file));
	return 0;
}
