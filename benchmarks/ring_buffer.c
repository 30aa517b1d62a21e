/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Fills a ring buffer by the program of ring_buffer.bpf.c, and drains it by a
 * callback that reads two fields. Prints the CPU time of one event, in nanoseconds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <bpf.h>
#include <libbpf.h>

struct event {
	uint64_t sequence;
	uint64_t time;
	uint32_t pid;
	uint32_t kind;
	uint64_t address;
	char comm[16];
};

static uint64_t total;

static int handle(void *context, void *data, size_t size)
{
	const struct event *event = data;

	if (size < sizeof(*event))
		return -1;
	total += event->sequence + event->pid;
	return 0;
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static double drain(int program, struct ring_buffer *ring)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	uint64_t expected = 0, index;
	long long start, end;
	int count;

	if (bpf_prog_test_run_opts(program, &options))
		exit(1);
	total = 0;
	start = now();
	count = ring_buffer__consume(ring);
	end = now();
	if (count <= 0)
		exit(1);
	for (index = 0; index < (uint64_t)count; index++)
		expected += index + (index & 0xffff);
	if (total != expected)
		exit(1);
	return (double)(end - start) / count;
}

int main(int argc, char **argv)
{
	int repeats = argc > 2 ? atoi(argv[2]) : 1, program, i;
	struct bpf_object *obj = bpf_object__open(argv[1]);
	struct ring_buffer *ring;
	double sum = 0;

	if (!obj || bpf_object__load(obj))
		return 1;
	program = bpf_program__fd(bpf_object__find_program_by_name(obj, "fill"));
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(obj, "events"), handle, NULL, NULL);
	if (!ring)
		return 1;
	drain(program, ring);
	for (i = 0; i < repeats; i++)
		sum += drain(program, ring);
	printf("%f\n", sum / repeats);
	ring_buffer__free(ring);
	bpf_object__close(obj);
	return 0;
}
