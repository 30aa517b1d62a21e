/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

/* One map of a reader: the context of libbpf's callback. */
struct glue_source {
	struct glue_ring *ring;
	/*
	 * libbpf's reader of this map alone. One reader of all the maps would begin every
	 * drain with the first, and a busy first map would starve the others.
	 */
	struct ring_buffer *reader;
	uint32_t index;
	uint32_t largest;	/* no record of the ring has more bytes */
};

/* Room for more bytes behind the batch. */
static bool batch_reserve(struct glue_ring *ring, size_t start, size_t more)
{
	char *data;

	if (ring->allocated - start >= more)
		return true;
	data = realloc(ring->data, start + more);
	if (!data)
		return false;
	ring->data = data;
	ring->allocated = start + more;
	return true;
}

static int refuse_record(const struct glue_source *source, int error, size_t size)
{
	struct glue_ring *ring = source->ring;

	ring->error = error;
	ring->error_size = (uint32_t)size;
	ring->error_ring = source->index;
	return -error;
}

/* libbpf's callback. libbpf has consumed the record, whatever this returns. */
static int keep_record(void *context, void *data, size_t size)
{
	const struct glue_source *source = context;
	struct glue_ring *ring = source->ring;
	size_t start = ring->used, kept = size;
	struct glue_record *record;

	/*
	 * Two readers of one ring, in this process or another, race for its positions. Then
	 * libbpf takes data for a header; a length within the ring keeps us within its mapping.
	 */
	if (size > source->largest)
		return refuse_record(source, EOVERFLOW, size);
	if (ring->record_size) {
		kept = ring->record_size;
		if (size < kept) {
			if (!batch_reserve(ring, start, size))
				return refuse_record(source, ENOMEM, size);
			memcpy(ring->data + start, data, size);
			return refuse_record(source, EBADMSG, size);
		}
	} else {
		start = (start + 7) & ~(size_t)7;
		if (!batch_reserve(ring, start, kept))
			return refuse_record(source, ENOMEM, size);
		record = &ring->records[ring->count];
		record->start = (uint32_t)start;
		record->end = (uint32_t)(start + kept);
		record->ring = source->index;
	}
	memcpy(ring->data + start, data, kept);
	ring->used = start + kept;
	ring->count++;
	return ring->count == ring->capacity || ring->used >= ring->size ? -ENOBUFS : 0;
}

static bool ring_add(struct glue_ring *ring, int map_fd)
{
	struct glue_source *source = &ring->sources[ring->ring_count];
	struct epoll_event event = { .events = EPOLLIN };
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(map_fd, &info, &length))
		return false;
	source->ring = ring;
	source->index = ring->ring_count;
	source->largest = info.max_entries - BPF_RINGBUF_HDR_SZ;
	source->reader = ring_buffer__new(map_fd, keep_record, source, NULL);
	if (!source->reader)
		return false;
	ring->ring_count++;
	return source->index == 0 || !epoll_ctl(glue_ring_epoll_fd(ring, 0), EPOLL_CTL_ADD, map_fd, &event);
}

static bool ring_open(struct glue_ring *ring, const int *map_fds, uint32_t map_count)
{
	uint32_t index;

	ring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ring->wake_fd < 0)
		return false;
	ring->sources = calloc(map_count, sizeof(*ring->sources));
	ring->data = calloc(1, ring->allocated);
	if (!ring->record_size)
		ring->records = calloc(ring->capacity, sizeof(*ring->records));
	if (!ring->sources || !ring->data || (!ring->record_size && !ring->records))
		return false;
	for (index = 0; index < map_count; index++)
		if (!ring_add(ring, map_fds[index]))
			return false;
	return true;
}

struct glue_ring *glue_ring_new(struct glue_call *call, const int *map_fds, uint32_t map_count,
				uint32_t record_size, uint32_t capacity, size_t size)
{
	struct glue_ring *ring;
	bool opened;

	glue_enter(call);
	ring = calloc(1, sizeof(*ring));
	if (!ring) {
		glue_leave(call);
		return NULL;
	}
	ring->record_size = record_size;
	ring->capacity = capacity;
	ring->size = record_size ? (size_t)capacity * record_size : size;
	ring->allocated = ring->size;
	opened = ring_open(ring, map_fds, map_count);
	if (opened)
		call->result = (intptr_t)ring;
	glue_leave(call);
	if (!opened) {
		glue_ring_free(ring);
		ring = NULL;
	}
	return ring;
}

void glue_ring_free(struct glue_ring *ring)
{
	uint32_t index;

	if (!ring)
		return;
	for (index = 0; index < ring->ring_count; index++)
		ring_buffer__free(ring->sources[index].reader);
	if (ring->wake_fd >= 0)
		close(ring->wake_fd);
	free(ring->sources);
	free(ring->records);
	free(ring->data);
	free(ring);
}

int glue_ring_epoll_fd(const struct glue_ring *ring, uint32_t index)
{
	return ring_buffer__epoll_fd(ring->sources[index].reader);
}

void glue_ring_drain(struct glue_ring *ring)
{
	uint32_t left = ring->ring_count;
	int error = 0;

	ring->batch++;
	ring->count = 0;
	ring->used = 0;
	ring->error = 0;
	while (left-- && error >= 0) {
		error = ring_buffer__consume(ring->sources[ring->next_ring].reader);
		ring->next_ring = (ring->next_ring + 1) % ring->ring_count;
	}
}
