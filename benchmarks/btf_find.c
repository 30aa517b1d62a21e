/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Finds one struct of the kernel by name, from nothing. Prints the CPU time, in nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <btf.h>

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void find(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf || btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT) <= 0)
		exit(1);
	btf__free(btf);
}

int main(int argc, char **argv)
{
	int repeats = argc > 2 ? atoi(argv[2]) : 1, i;
	long long start;

	find(argv[1]);
	start = now();
	for (i = 0; i < repeats; i++)
		find(argv[1]);
	printf("%f\n", (double)(now() - start) / repeats);
	return 0;
}
