/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A hash of u32 to u64: one way of using it, by name, on so many elements. Prints
 * the CPU time of one element in the fastest repeat, in nanoseconds.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bpf.h>

static uint32_t *keys;
static uint64_t *values;

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static uint64_t look_up(int map, uint32_t count)
{
	uint64_t value, sum = 0;
	uint32_t key;

	for (key = 0; key < count; key++) {
		if (bpf_map_lookup_elem(map, &key, &value))
			exit(1);
		sum += value;
	}
	return sum;
}

static uint64_t update(int map, uint32_t count)
{
	uint64_t value, sum = 0;
	uint32_t key;

	for (key = 0; key < count; key++) {
		value = 2 * key;
		if (bpf_map_update_elem(map, &key, &value, BPF_ANY))
			exit(1);
		sum += value;
	}
	return sum;
}

/* Into fresh memory, as a caller who keeps the result has it. */
static uint64_t batch(int map, uint32_t count)
{
	uint32_t found = count, cursor, i;
	uint32_t *all_keys = malloc(count * sizeof(*all_keys));
	uint64_t *all_values = malloc(count * sizeof(*all_values)), sum = 0;
	int result = bpf_map_lookup_batch(map, NULL, &cursor, all_keys, all_values, &found, NULL);

	if ((result && result != -ENOENT) || found != count)
		exit(1);
	for (i = 0; i < count; i++)
		sum += all_values[i];
	free(all_keys);
	free(all_values);
	return sum;
}

int main(int argc, char **argv)
{
	uint32_t count = atoi(argv[2]), repeats = atoi(argv[3]), i;
	uint64_t (*work)(int, uint32_t) =
		!strcmp(argv[1], "look_up") ? look_up : !strcmp(argv[1], "update") ? update : batch;
	uint64_t expected = (uint64_t)count * (count - 1);
	int map = bpf_map_create(BPF_MAP_TYPE_HASH, "numbers", 4, 8, count, NULL);
	long long start, spent, fastest = 0;

	if (map < 0 || argc != 4)
		return 1;
	keys = malloc(count * sizeof(*keys));
	values = malloc(count * sizeof(*values));
	for (i = 0; i < count; i++) {
		keys[i] = i;
		values[i] = 2 * i;
	}
	i = count;
	if (bpf_map_update_batch(map, keys, values, &i, NULL))
		return 1;
	if (work(map, count) != expected)
		return 1;
	for (i = 0; i < repeats; i++) {
		start = now();
		if (work(map, count) != expected)
			return 1;
		spent = now() - start;
		if (!i || spent < fastest)
			fastest = spent;
	}
	printf("%f\n", (double)fastest / count);
	return 0;
}
