/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * ring_buffer_steady OBJECT latency PERCENTILE: events one at a time, every millisecond. Prints the
 * time from the write of an event to the callback that sees it, in nanoseconds.
 *
 * ring_buffer_steady OBJECT share SECONDS: a million events a second into a ring of 64 MiB. Prints how
 * much of a CPU the reader takes, in percent. Fails if an event was lost.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <bpf.h>
#include <libbpf.h>

#define EVENTS 2000
#define BURST 10000	/* a hundredth of a second */

struct event {
	uint64_t sequence;
	uint64_t time;
	uint32_t pid;
	uint32_t kind;
	uint64_t address;
	char comm[16];
};

/* .data of ring_buffer.bpf.c */
struct data {
	uint32_t count;
	uint32_t padding;
	uint64_t flags;
};

static uint64_t latencies[EVENTS], seen, total;

static uint64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static int on_event(void *context, void *data, size_t size)
{
	const struct event *event = data;

	if (seen < EVENTS)
		latencies[seen] = now(CLOCK_MONOTONIC) - event->time;
	total += event->sequence;
	seen++;
	return 0;
}

/* Runs the program every so many nanoseconds, as a process of its own. */
static pid_t produce(int program, uint64_t runs, uint64_t interval)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	pid_t child = fork();
	uint64_t next;

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	next = now(CLOCK_MONOTONIC);
	while (runs--) {
		struct timespec until;

		next += interval;
		until.tv_sec = next / 1000000000;
		until.tv_nsec = next % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		if (bpf_prog_test_run_opts(program, &options))
			_exit(1);
	}
	_exit(0);
}

static int compare(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return a < b ? -1 : a > b;
}

int main(int argc, char **argv)
{
	int latency = argc > 3 && !strcmp(argv[2], "latency"), number = argc > 3 ? atoi(argv[3]) : 0;
	struct bpf_object *obj = bpf_object__open(argv[1]);
	uint64_t expected, start, used, begun;
	struct ring_buffer *ring;
	struct bpf_map *events;
	struct data *data;
	size_t size;
	int program;

	if (!obj)
		return 1;
	events = bpf_object__find_map_by_name(obj, "events");
	bpf_map__set_max_entries(events, 64 << 20);
	data = bpf_map__initial_value(bpf_object__find_map_by_name(obj, ".data"), &size);
	if (!data || size != sizeof(*data))
		return 1;
	data->count = latency ? 1 : BURST;
	data->flags = latency ? 0 : BPF_RB_NO_WAKEUP;
	expected = latency ? EVENTS : (uint64_t)number * 1000000;
	if (bpf_object__load(obj))
		return 1;
	program = bpf_program__fd(bpf_object__find_program_by_name(obj, latency ? "fill_stamped" : "fill"));
	ring = ring_buffer__new(bpf_map__fd(events), on_event, NULL, NULL);
	if (!ring)
		return 1;
	produce(program, expected / data->count, latency ? 1000000 : 10000000);
	begun = now(CLOCK_MONOTONIC);
	start = now(CLOCK_PROCESS_CPUTIME_ID);
	while (seen < expected) {
		if (latency)
			ring_buffer__poll(ring, 1000);
		else if (!ring_buffer__consume(ring))
			usleep(5000);
		if (now(CLOCK_MONOTONIC) - begun > (expected / 1000000 + 60) * 1000000000ULL)
			return 2;	/* lost */
	}
	used = now(CLOCK_PROCESS_CPUTIME_ID) - start;
	wait(NULL);
	if (latency) {
		qsort(latencies, EVENTS, sizeof(*latencies), compare);
		printf("%f\n", (double)latencies[EVENTS * number / 100]);
	} else {
		printf("%f\n", 100.0 * used / (number * 1e9));
	}
	return 0;
}
