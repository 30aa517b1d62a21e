/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * attach OBJECT KIND CGROUP FILE OFFSET BATCHES REPEATS: prints the CPU time of one attach and close in
 * the fastest batch, in nanoseconds. At OFFSET of FILE there is a function, for uprobes.
 */
#include <fcntl.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <bpf.h>
#include <libbpf.h>

#define IS(name) (!strcmp(kind, name))
/* "raw_link", or the same after a sleep. */
#define IS_RAW_LINK (!strncmp(kind, "raw_link", strlen("raw_link")))

static struct bpf_object *object;
static struct bpf_program *program;
static int cgroup, netns, sockets, event, sock;
static const char *file;
static unsigned long offset;

static struct bpf_link *attach(const char *kind)
{
	if (IS("iter"))
		return bpf_program__attach_iter(program, NULL);
	if (IS("tp_btf") || IS("fentry"))
		return bpf_program__attach_trace(program);
	if (IS("lsm"))
		return bpf_program__attach_lsm(program);
	if (IS("raw_tp"))
		return bpf_program__attach_raw_tracepoint(program, "cgroup_rmdir");
	if (IS("tracepoint"))
		return bpf_program__attach_tracepoint(program, "cgroup", "cgroup_rename");
	if (IS("perf_event"))
		return bpf_program__attach_perf_event(program, dup(event));
	if (IS("kprobe"))
		return bpf_program__attach_kprobe(program, false, "bpf_fentry_test1");
	if (IS("kprobe_multi")) {
		const char *function = "bpf_fentry_test1";
		LIBBPF_OPTS(bpf_kprobe_multi_opts, options, .syms = &function, .cnt = 1);

		return bpf_program__attach_kprobe_multi_opts(program, NULL, &options);
	}
	if (IS("kprobe_multi_pattern"))
		return bpf_program__attach_kprobe_multi_opts(program, file, NULL);
	if (IS("uprobe"))
		return bpf_program__attach_uprobe(program, false, 0, file, offset);
	if (IS("uprobe_multi")) {
		LIBBPF_OPTS(bpf_uprobe_multi_opts, options, .offsets = &offset, .cnt = 1);

		return bpf_program__attach_uprobe_multi(program, 0, file, NULL, &options);
	}
	if (IS("cgroup"))
		return bpf_program__attach_cgroup(program, cgroup);
	if (IS("netns"))
		return bpf_program__attach_netns(program, netns);
	if (IS("sockmap"))
		return bpf_program__attach_sockmap(program, sockets);
	if (IS("xdp"))
		return bpf_program__attach_xdp(program, if_nametoindex("lo"));
	if (IS("tcx"))
		return bpf_program__attach_tcx(program, if_nametoindex("lo"), NULL);
	if (IS("netkit"))
		return bpf_program__attach_netkit(program, if_nametoindex("netkit0"), NULL);
	if (IS("struct_ops"))
		return bpf_map__attach_struct_ops(bpf_object__find_map_by_name(object, "on_struct_ops"));
	if (IS("netfilter")) {
		LIBBPF_OPTS(bpf_netfilter_opts, options, .pf = 2, .hooknum = 1, .priority = 1);

		return bpf_program__attach_netfilter(program, &options);
	}
	return NULL;
}

static int attach_raw_link(void)
{
	return bpf_link_create(bpf_program__fd(program), cgroup, BPF_CGROUP_INET_EGRESS, NULL);
}

static void require(bool condition)
{
	if (!condition) {
		perror("attach");
		exit(1);
	}
}

static void once(const char *kind)
{
	struct bpf_link *link;
	int fd, none = 0;

	if (IS_RAW_LINK) {
		if (!IS("raw_link"))
			nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
		fd = attach_raw_link();
		require(fd >= 0);
		close(fd);
	} else if (IS("socket_filter")) {
		fd = bpf_program__fd(program);
		require(!setsockopt(sock, SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof(fd)));
		require(!setsockopt(sock, SOL_SOCKET, SO_DETACH_BPF, &none, sizeof(none)));
	} else {
		link = attach(kind);
		require(link);
		bpf_link__destroy(link);
	}
}

static bool hold_netfilter(int priority)
{
	LIBBPF_OPTS(bpf_netfilter_opts, options, .pf = 2, .hooknum = 1, .priority = priority);

	return bpf_program__attach_netfilter(program, &options);
}

/*
 * The first links of a hook make the kernel patch its own code, for a time that varies by
 * hundreds of microseconds. A socket map takes one link only, and patches nothing.
 */
static void hold(const char *kind)
{
	char name[32];
	struct bpf_program *held;

	snprintf(name, sizeof(name), "held_%s", kind);
	held = bpf_object__find_program_by_name(object, name);
	if (IS("tcx"))
		require(bpf_program__attach_tcx(held, if_nametoindex("lo"), NULL));
	else if (IS("netkit"))
		require(bpf_program__attach_netkit(held, if_nametoindex("netkit0"), NULL));
	else if (held)
		require(bpf_program__attach(held));
	else if (IS_RAW_LINK)
		require(attach_raw_link() >= 0 && attach_raw_link() >= 0);
	else if (IS("netfilter"))
		require(hold_netfilter(2) && hold_netfilter(3));
	else if (IS("xdp"))
		require(bpf_program__attach_xdp(program, if_nametoindex("v0")));
	else if (IS("iter") || IS("tp_btf") || IS("raw_tp") || IS("cgroup") || IS("netns"))
		require(attach(kind) && attach(kind));
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void load(const char *path, const char *kind)
{
	struct bpf_program *each;
	char measured[32], held[32];
	const char *name;

	object = bpf_object__open(path);
	require(object);
	if (IS("struct_ops")) {
		require(!bpf_object__load(object));
		return;
	}
	snprintf(held, sizeof(held), "held_%s", kind);
	snprintf(measured, sizeof(measured), "on_%s",
		 IS_RAW_LINK ? "cgroup" : IS("kprobe_multi_pattern") ? "kprobe_multi" : kind);
	bpf_object__for_each_program(each, object) {
		name = bpf_program__name(each);
		bpf_program__set_autoload(each, !strcmp(measured, name) || !strcmp(held, name));
	}
	program = bpf_object__find_program_by_name(object, measured);
	require(program && !bpf_object__load(object));
}

int main(int argc, char **argv)
{
	struct perf_event_attr attribute = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attribute), .config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = 1000000000, .disabled = 1,
	};
	const char *kind = argv[2];
	int batches = atoi(argv[6]), repeats = atoi(argv[7]), i;
	long long start, time, fastest = -1;

	load(argv[1], kind);
	cgroup = open(argv[3], O_RDONLY | O_CLOEXEC);
	file = argv[4];
	offset = strtoul(argv[5], NULL, 0);
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	sockets = bpf_object__find_map_fd_by_name(object, "sockets");
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	event = syscall(SYS_perf_event_open, &attribute, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	hold(kind);
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
