/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * iterator tasks COUNT: makes that many tasks, says so, and keeps them until its input ends.
 * iterator read LINK BUFFER REPEATS: prints the CPU time of the fastest reading of the iterator of a link,
 * given by its id, with a buffer of that many bytes, in nanoseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include <bpf.h>

static void *wait_for_the_end(void *unused)
{
	pause();
	return NULL;
}

static int tasks(int count)
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 16384);
	while (count--)
		if (pthread_create(&thread, &small, wait_for_the_end, NULL))
			return 1;
	puts("ready");
	fflush(stdout);
	getchar();
	return 0;
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long read_all(int link, char *buffer, size_t size)
{
	int fd = bpf_iter_create(link);
	ssize_t count;
	long total = 0;

	if (fd < 0)
		exit(1);
	while ((count = read(fd, buffer, size)) > 0)
		total += count;
	if (count < 0)
		exit(1);
	close(fd);
	return total;
}

int main(int argc, char **argv)
{
	long long start, time, fastest = -1;
	int link, repeats;
	size_t size;
	char *buffer;

	if (!strcmp(argv[1], "tasks"))
		return tasks(atoi(argv[2]));
	link = bpf_link_get_fd_by_id(atoi(argv[2]));
	size = atol(argv[3]);
	buffer = malloc(size);
	repeats = atoi(argv[4]);
	if (link < 0 || !buffer || !read_all(link, buffer, size))
		return 1;
	while (repeats--) {
		start = now();
		read_all(link, buffer, size);
		time = now() - start;
		if (fastest < 0 || time < fastest)
			fastest = time;
	}
	printf("%lld\n", fastest);
	return 0;
}
