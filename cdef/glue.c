/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf.h>
#include <btf.h>
#include <libbpf.h>
#include "glue.h"
#include "glue_internal.h"

/* --- text ---------------------------------------------------------------- */

static bool text_reserve(struct glue_text *text, size_t more)
{
	size_t capacity = text->capacity ? text->capacity : 256;
	char *data;

	if (text->capacity - text->size >= more)
		return true;
	while (capacity - text->size < more)
		capacity *= 2;
	data = realloc(text->data, capacity);
	if (!data)
		return false;
	text->data = data;
	text->capacity = capacity;
	return true;
}

/* Appends the formatted text and a NUL byte that is not counted in size. */
static void text_vprintf(struct glue_text *text, const char *format, va_list args)
{
	va_list again;
	int length;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0 || !text_reserve(text, (size_t)length + 1)) {
		text->lost++;
		return;
	}
	vsnprintf(text->data + text->size, (size_t)length + 1, format, args);
	text->size += (size_t)length;
}

void glue_text_free(struct glue_text *text)
{
	free(text->data);
	memset(text, 0, sizeof(*text));
}

/* --- calls --------------------------------------------------------------- */

/*
 * One call of libbpf at a time runs on a thread: nothing in C calls back into
 * Python, and a signal handler of Python runs only between calls.
 */
static __thread struct glue_call *current_call;
static __thread const char *missing_function;

struct glue_call *glue_call_new(int level)
{
	struct glue_call *call = calloc(1, sizeof(*call));

	if (call)
		call->level = level;
	return call;
}

void glue_call_free(struct glue_call *call)
{
	if (!call)
		return;
	glue_text_free(&call->log);
	free(call);
}

void glue_enter(struct glue_call *call)
{
	current_call = call;
	errno = 0;
}

void glue_leave(struct glue_call *call)
{
	call->error = errno;
	current_call = NULL;
}

static int keep_log_line(enum libbpf_print_level level, const char *format, va_list args)
{
	struct glue_call *call = current_call;
	struct glue_text *log;
	size_t start;

	if (!call || (int)level > call->level)
		return 0;
	log = &call->log;
	start = log->size;
	if (!text_reserve(log, 2)) {
		log->lost++;
		return 0;
	}
	log->data[log->size++] = (char)('0' + level);
	text_vprintf(log, format, args);
	if (log->size == start + 1)
		log->size = start;	/* nothing said, or no memory: no empty line */
	else
		log->size++;		/* keep the NUL byte as the end of the line */
	return 0;
}

void glue_init(void)
{
	libbpf_set_print(keep_log_line);
}

void glue_set_missing(const char *function)
{
	missing_function = function;
}

const char *glue_missing_function(void)
{
	return missing_function;
}

bool glue_is_system_libbpf(void)
{
#ifdef PYLIBBPF_SYSTEM_LIBBPF
	return true;
#else
	return false;
#endif
}

/* --- BTF dump ------------------------------------------------------------ */

static void dump_printf(void *context, const char *format, va_list args)
{
	text_vprintf(context, format, args);
}

static int dump_end(int error, struct btf_dump *dump, struct glue_text *text)
{
	btf_dump__free(dump);
	return error < 0 ? error : text->lost ? -ENOMEM : error;
}

int glue_btf_dump(struct glue_call *call, const struct btf *btf, uint32_t type_id, struct glue_text *text)
{
	uint32_t count = btf__type_cnt(btf), id;
	struct btf_dump *dump;
	int error = 0;

	glue_enter(call);
	dump = btf_dump__new(btf, dump_printf, text, NULL);
	if (!dump) {
		error = -errno;
	} else if (type_id) {
		error = btf_dump__dump_type(dump, type_id);
	} else {
		for (id = 1; id < count && error >= 0 && !text->lost; id++)
			error = btf_dump__dump_type(dump, id);
	}
	glue_leave(call);
	return dump_end(error, dump, text);
}

int glue_btf_dump_data(struct glue_call *call, const struct btf *btf, uint32_t type_id,
		       const void *data, size_t size, bool compact, bool skip_names, bool emit_zeroes,
		       struct glue_text *text)
{
	LIBBPF_OPTS(btf_dump_type_data_opts, options,
		.compact = compact,
		.skip_names = skip_names,
		.emit_zeroes = emit_zeroes,
	);
	struct btf_dump *dump;
	int error;

	glue_enter(call);
	dump = btf_dump__new(btf, dump_printf, text, NULL);
	error = dump ? btf_dump__dump_type_data(dump, type_id, data, size, &options) : -errno;
	glue_leave(call);
	return dump_end(error, dump, text);
}

/* --- ring buffers -------------------------------------------------------- */

/* The context of one map's callback: which reader, and which map of it. */
struct glue_source {
	struct glue_ring *ring;
	uint32_t index;
};

/* Records start on 8 bytes, as in the kernel's ring, so that a typed view of one is aligned. */
static size_t next_offset(size_t used)
{
	return (used + 7) & ~(size_t)7;
}

static bool batch_append(struct glue_ring *ring, const void *data, size_t size, uint32_t index)
{
	size_t offset = next_offset(ring->used);
	struct glue_record *record;

	if (ring->count == ring->capacity || offset > ring->data_size || ring->data_size - offset < size)
		return false;
	memcpy(ring->data + offset, data, size);
	record = &ring->records[ring->count];
	record->offset = offset;
	record->size = (uint32_t)size;
	record->ring = index;
	ring->used = offset + size;
	ring->count++;
	return true;
}

static int keep_record(void *context, void *data, size_t size)
{
	struct glue_source *source = context;
	struct glue_ring *ring = source->ring;

	if (batch_append(ring, data, size, source->index))
		return ring->count == ring->capacity ? -ENOBUFS : 0;
	ring->spill = malloc(size ? size : 1);
	if (!ring->spill)
		return -ENOMEM;
	memcpy(ring->spill, data, size);
	ring->spill_size = size;
	ring->spill_ring = source->index;
	ring->spilled = true;
	return -ENOBUFS;
}

struct glue_ring *glue_ring_new(struct glue_call *call, const int *map_fds, uint32_t map_count)
{
	struct glue_ring *ring = calloc(1, sizeof(*ring));
	uint32_t index;

	glue_enter(call);
	if (ring)
		ring->sources = calloc(map_count ? map_count : 1, sizeof(*ring->sources));
	if (!ring || !ring->sources)
		goto fail;
	for (index = 0; index < map_count; index++) {
		ring->sources[index].ring = ring;
		ring->sources[index].index = index;
		if (!ring->rings)
			ring->rings = ring_buffer__new(map_fds[index], keep_record, &ring->sources[index], NULL);
		else if (ring_buffer__add(ring->rings, map_fds[index], keep_record, &ring->sources[index]))
			goto fail;
		if (!ring->rings)
			goto fail;
	}
	ring->ring_count = map_count;
	glue_leave(call);
	return ring;
fail:
	if (!errno)
		errno = ENOMEM;
	glue_leave(call);
	glue_ring_free(ring);
	return NULL;
}

void glue_ring_free(struct glue_ring *ring)
{
	if (!ring)
		return;
	ring_buffer__free(ring->rings);
	free(ring->sources);
	free(ring->spill);
	free(ring);
}

int glue_ring_epoll_fd(const struct glue_ring *ring)
{
	return ring_buffer__epoll_fd(ring->rings);
}

size_t glue_ring_spill_size(const struct glue_ring *ring)
{
	return ring->spilled ? ring->spill_size : 0;
}

int glue_ring_drain(struct glue_call *call, struct glue_ring *ring, char *data, size_t data_size,
		    struct glue_record *records, size_t capacity)
{
	int error = 0;

	ring->data = data;
	ring->data_size = data_size;
	ring->records = records;
	ring->capacity = capacity;
	ring->used = 0;
	ring->count = 0;
	if (ring->spilled) {
		if (!batch_append(ring, ring->spill, ring->spill_size, ring->spill_ring))
			return -EMSGSIZE;
		free(ring->spill);
		ring->spill = NULL;
		ring->spilled = false;
	}
	if (ring->count < capacity) {
		glue_enter(call);
		error = ring_buffer__consume(ring->rings);
		glue_leave(call);
	}
	ring->data = NULL;
	ring->records = NULL;
	/* What was copied is delivered first; an error comes back with the next, empty drain. */
	return ring->count || error == -ENOBUFS ? (int)ring->count : error < 0 ? error : 0;
}
