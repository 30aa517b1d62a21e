/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Prints the CPU time of one open, load and close of an object, in nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <libbpf.h>

static void once(const char *path)
{
	struct bpf_object *obj = bpf_object__open(path);

	if (!obj || bpf_object__load(obj))
		exit(1);
	bpf_object__close(obj);
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	int repeats = argc > 2 ? atoi(argv[2]) : 1, i;
	long long start;

	once(argv[1]);
	start = now();
	for (i = 0; i < repeats; i++)
		once(argv[1]);
	printf("%lld\n", (now() - start) / repeats);
	return 0;
}
