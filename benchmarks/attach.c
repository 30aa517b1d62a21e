/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * attach OBJECT KIND CGROUP BATCHES REPEATS: prints the CPU time of one attach and close in the
 * fastest batch, in nanoseconds.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf.h>
#include <libbpf.h>

static struct bpf_program *program;
static int cgroup, netns, sockets;

static struct bpf_link *attach(const char *kind)
{
	if (!strcmp(kind, "iter"))
		return bpf_program__attach_iter(program, NULL);
	if (!strcmp(kind, "tp_btf"))
		return bpf_program__attach_trace(program);
	if (!strcmp(kind, "raw_tp"))
		return bpf_program__attach_raw_tracepoint(program, "cgroup_rmdir");
	if (!strcmp(kind, "tracepoint"))
		return bpf_program__attach_tracepoint(program, "cgroup", "cgroup_rename");
	if (!strcmp(kind, "cgroup"))
		return bpf_program__attach_cgroup(program, cgroup);
	if (!strcmp(kind, "netns"))
		return bpf_program__attach_netns(program, netns);
	if (!strcmp(kind, "sockmap"))
		return bpf_program__attach_sockmap(program, sockets);
	return NULL;
}

static int attach_raw_link(void)
{
	return bpf_link_create(bpf_program__fd(program), cgroup, BPF_CGROUP_INET_EGRESS, NULL);
}

static void once(const char *kind)
{
	struct bpf_link *link;
	int fd;

	if (!strcmp(kind, "raw_link")) {
		fd = attach_raw_link();
		if (fd < 0)
			exit(1);
		close(fd);
		return;
	}
	link = attach(kind);
	if (!link)
		exit(1);
	bpf_link__destroy(link);
}

/*
 * The first links of a hook make the kernel patch its own code, for a time that varies by
 * hundreds of microseconds. A socket map takes one link only, and patches nothing.
 */
static void hold(struct bpf_object *obj, const char *kind)
{
	bool held = true;

	if (!strcmp(kind, "raw_link"))
		held = attach_raw_link() >= 0 && attach_raw_link() >= 0;
	else if (!strcmp(kind, "tracepoint"))
		held = bpf_program__attach(bpf_object__find_program_by_name(obj, "held"));
	else if (strcmp(kind, "sockmap"))
		held = attach(kind) && attach(kind);
	if (!held)
		exit(1);
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	const char *kind = argv[2];
	int batches = atoi(argv[4]), repeats = atoi(argv[5]), i;
	long long start, time, fastest = -1;
	struct bpf_object *obj;

	obj = bpf_object__open(argv[1]);
	program = bpf_object__find_program_by_name(obj, strcmp(kind, "raw_link") ? kind : "cgroup");
	if (!obj || !program || bpf_object__load(obj))
		return 1;
	cgroup = open(argv[3], O_RDONLY | O_CLOEXEC);
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	sockets = bpf_object__find_map_fd_by_name(obj, "sockets");

	hold(obj, kind);
	once(kind);
	while (batches--) {
		start = now();
		for (i = 0; i < repeats; i++)
			once(kind);
		time = now() - start;
		if (fastest < 0 || time < fastest)
			fastest = time;
	}
	printf("%lld\n", fastest / repeats);
	return 0;
}
