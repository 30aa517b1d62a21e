/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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
		       const void *data, size_t size, bool compact, bool skip_names, struct glue_text *text)
{
	/*
	 * Without zeroes libbpf 1.7 also leaves out structs inside of others whose first member is
	 * zero, and enums in bitfields (btf_dump.c:btf_dump_type_data_check_zero).
	 */
	LIBBPF_OPTS(btf_dump_type_data_opts, options,
		.compact = compact,
		.skip_names = skip_names,
		.emit_zeroes = true,
	);
	struct btf_dump *dump;
	int error;

	glue_enter(call);
	dump = btf_dump__new(btf, dump_printf, text, NULL);
	error = dump ? btf_dump__dump_type_data(dump, type_id, data, size, &options) : -errno;
	glue_leave(call);
	return dump_end(error, dump, text);
}

/* --- readers of records -------------------------------------------------- */

/* libbpf 1.3. A system's libbpf may lack them. */
#pragma weak ring_buffer__ring
#pragma weak ring__consumer_pos
#pragma weak ring__producer_pos

/* One map of a reader, or the perf buffer of one CPU: the context of libbpf's callbacks. */
struct glue_source {
	struct glue_reader *reader;
	uint32_t index;
	uint32_t largest;	/* no record has more bytes */
	/*
	 * libbpf's reader of this map alone. One reader of all the maps would begin every
	 * drain with the first, and a busy first map would starve the others.
	 */
	struct ring_buffer *ring;
	uint64_t waiting;	/* bytes in the ring as the last drain began */
	uint64_t most;
	/*
	 * libbpf's reader of this CPU's buffer alone, so that CPUs may come and go; or, for an
	 * overwritable buffer, which libbpf does not have, the event and its mapping.
	 */
	struct perf_buffer *perf;
	int event_fd;
	struct perf_event_mmap_page *base;
	uint64_t seen;		/* data_head when it was last read */
	uint64_t lost;
};

struct glue_perf {
	int map_fd;		/* our own: libbpf clears the map's elements as it frees */
	size_t pages;
	bool overwritable;
	bool keep_lost;
	struct perf_event_attr attr;
};

/* Makes room for a size in bytes. */
static bool reserve(void *area, size_t *allocated, size_t size)
{
	char **data = area;
	char *grown;

	if (size <= *allocated)
		return true;
	if (size < 2 * *allocated)
		size = 2 * *allocated;
	grown = realloc(*data, size);
	if (!grown)
		return false;
	*data = grown;
	*allocated = size;
	return true;
}

static bool reserve_whole(struct glue_reader *reader, size_t end)
{
	return reserve(&reader->whole, &reader->whole_allocated, end);
}

static bool batch_is_full(const struct glue_reader *reader)
{
	return reader->count >= reader->capacity || reader->used >= reader->size;
}

static int refuse_record(const struct glue_source *source, int error, size_t size)
{
	struct glue_reader *reader = source->reader;

	reader->error = error;
	reader->error_size = (uint32_t)size;
	reader->error_source = source->index;
	return -error;
}

static bool keep_whole(const struct glue_source *source, const void *data, size_t size, uint32_t lost)
{
	struct glue_reader *reader = source->reader;
	size_t start = (reader->used + 7) & ~(size_t)7;
	struct glue_record *record;

	if (!reserve_whole(reader, start + size) ||
	    !reserve(&reader->records, &reader->records_allocated, (reader->count + 1) * sizeof(*record)))
		return false;
	memcpy(reader->whole + start, data, size);
	record = &reader->records[reader->count];
	record->start = (uint32_t)start;
	record->end = (uint32_t)(start + size);
	record->source = source->index;
	record->lost = lost;
	reader->used = start + size;
	return true;
}

/* Appends a record to the batch. Returns 0, or less once the batch is at its end. */
static int keep_record(const struct glue_source *source, const void *data, size_t size, uint32_t lost)
{
	struct glue_reader *reader = source->reader;
	size_t stride = reader->stride;
	char *head;

	if (size < reader->least && !lost) {
		if (!reserve_whole(reader, reader->used + size))
			return refuse_record(source, ENOMEM, size);
		memcpy(reader->whole + reader->used, data, size);
		return refuse_record(source, EBADMSG, size);
	}
	if (!reserve(&reader->heads, &reader->heads_allocated, (reader->count + 1) * stride))
		return refuse_record(source, ENOMEM, size);
	if (reader->keep_whole && !keep_whole(source, data, size, lost))
		return refuse_record(source, ENOMEM, size);
	head = reader->heads + reader->count * stride;
	if (size < stride) {
		memcpy(head, data, size);
		memset(head + size, 0, stride - size);
	} else {
		memcpy(head, data, stride);
	}
	reader->count++;
	return batch_is_full(reader) ? -ENOBUFS : 0;
}

/* libbpf's callback. libbpf has consumed the record, whatever this returns. */
static int on_ring_record(void *context, void *data, size_t size)
{
	const struct glue_source *source = context;

	/*
	 * Two readers of one ring, in this process or another, race for its positions. Then
	 * libbpf takes data for a header; a length within the ring keeps us within its mapping.
	 */
	if (size > source->largest)
		return refuse_record(source, EOVERFLOW, size);
	return keep_record(source, data, size, 0);
}

static enum bpf_perf_event_ret on_perf_event(void *context, int cpu, struct perf_event_header *event)
{
	struct glue_source *source = context;
	struct glue_reader *reader = source->reader;
	int stop = 0;

	(void)cpu;	/* source->index */
	if (event->type == PERF_RECORD_SAMPLE) {
		const struct { struct perf_event_header header; uint32_t size; char data[]; } *sample = (void *)event;

		if (event->size < sizeof(*sample))
			stop = refuse_record(source, EOVERFLOW, event->size);
		else if (sample->size > event->size - sizeof(*sample))
			stop = refuse_record(source, EOVERFLOW, sample->size);
		else
			stop = keep_record(source, sample->data, sample->size, 0);
	} else if (event->type == PERF_RECORD_LOST) {
		const struct { struct perf_event_header header; uint64_t id, lost; } *lost = (void *)event;

		source->lost += lost->lost;
		if (reader->perf->keep_lost) {
			stop = keep_record(source, "", 0, lost->lost < UINT32_MAX ? (uint32_t)lost->lost : UINT32_MAX);
			reader->notices += stop != -ENOMEM;
		}
	}
	return stop ? LIBBPF_PERF_EVENT_DONE : LIBBPF_PERF_EVENT_CONT;
}

static struct glue_reader *reader_new(uint32_t source_count, const struct glue_layout *layout)
{
	struct glue_reader *reader = calloc(1, sizeof(*reader));
	struct epoll_event event = { .events = EPOLLIN };
	uint32_t index;

	if (!reader)
		return NULL;
	reader->wake_fd = reader->epoll_fd = -1;
	reader->stride = layout->stride;
	reader->least = layout->least;
	reader->keep_whole = layout->keep_whole;
	reader->capacity = layout->capacity;
	reader->size = layout->size;
	reader->sources = calloc(source_count, sizeof(*reader->sources));
	/* One byte at least, and the whole batch where its size is known: drains should not allocate. */
	if (!reader->sources || !reserve_whole(reader, layout->keep_whole ? layout->size : 1) ||
	    !reserve(&reader->heads, &reader->heads_allocated, (size_t)layout->capacity * layout->stride + 1))
		goto error;
	/* Bytes that Python may see before a record was there. */
	memset(reader->heads, 0, reader->heads_allocated);
	for (index = 0; index < source_count; index++) {
		reader->sources[index].reader = reader;
		reader->sources[index].index = index;
		reader->sources[index].event_fd = -1;
	}
	reader->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	reader->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (reader->wake_fd < 0 || reader->epoll_fd < 0 ||
	    epoll_ctl(reader->epoll_fd, EPOLL_CTL_ADD, reader->wake_fd, &event))
		goto error;
	return reader;
error:
	glue_reader_free(reader);
	return NULL;
}

/* What a constructor returns: it, or NULL after a failure that errno tells of. */
static struct glue_reader *finished(struct glue_call *call, struct glue_reader *reader, bool made)
{
	int error = errno;

	if (!made) {
		glue_reader_free(reader);
		reader = NULL;
		errno = error;
	}
	call->result = (intptr_t)reader;
	glue_leave(call);
	return reader;
}

static bool ring_add(struct glue_reader *reader, int map_fd)
{
	struct glue_source *source = &reader->sources[reader->source_count];
	struct epoll_event event = { .events = EPOLLIN };
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(map_fd, &info, &length))
		return false;
	source->largest = info.max_entries - BPF_RINGBUF_HDR_SZ;
	source->ring = ring_buffer__new(map_fd, on_ring_record, source, NULL);
	if (!source->ring)
		return false;
	reader->source_count++;
	return !epoll_ctl(reader->epoll_fd, EPOLL_CTL_ADD, map_fd, &event);
}

struct glue_reader *glue_ring_new(struct glue_call *call, const int *map_fds, uint32_t map_count,
				  const struct glue_layout *layout)
{
	struct glue_reader *reader;
	uint32_t index;
	bool made;

	glue_enter(call);
	reader = reader_new(map_count, layout);
	made = reader;
	for (index = 0; made && index < map_count; index++)
		made = ring_add(reader, map_fds[index]);
	return finished(call, reader, made);
}

struct glue_reader *glue_perf_new(struct glue_call *call, int map_fd, uint32_t cpu_count, uint32_t pages,
				  uint32_t wakeup_events, uint32_t wakeup_bytes, bool overwritable,
				  bool keep_lost, const struct glue_layout *layout)
{
	struct glue_reader *reader;
	struct glue_perf *perf;

	glue_enter(call);
	reader = reader_new(cpu_count, layout);
	if (!reader)
		return finished(call, NULL, false);
	perf = reader->perf = calloc(1, sizeof(*perf));
	if (!perf)
		return finished(call, reader, false);
	reader->source_count = cpu_count;
	perf->pages = pages;
	perf->overwritable = overwritable;
	perf->keep_lost = keep_lost;
	perf->attr.size = sizeof(perf->attr);
	perf->attr.type = PERF_TYPE_SOFTWARE;
	perf->attr.config = PERF_COUNT_SW_BPF_OUTPUT;
	perf->attr.sample_type = PERF_SAMPLE_RAW;
	perf->attr.write_backward = overwritable;
	perf->attr.watermark = wakeup_bytes > 0;
	if (wakeup_bytes)
		perf->attr.wakeup_watermark = wakeup_bytes;
	else
		perf->attr.wakeup_events = wakeup_events;
	perf->map_fd = fcntl(map_fd, F_DUPFD_CLOEXEC, 3);
	return finished(call, reader, perf->map_fd >= 0);
}

static void perf_close(struct glue_source *source)
{
	struct glue_perf *perf = source->reader->perf;

	perf_buffer__free(source->perf);
	source->perf = NULL;
	if (source->base)
		munmap(source->base, (perf->pages + 1) * (size_t)getpagesize());
	source->base = NULL;
	if (source->event_fd >= 0) {
		bpf_map_delete_elem(perf->map_fd, &source->index);
		close(source->event_fd);
	}
	source->event_fd = -1;
}

/* libbpf maps writable, and the kernel overwrites only what is mapped for reading alone. */
static bool perf_open_overwritable(struct glue_source *source)
{
	struct glue_perf *perf = source->reader->perf;
	void *base;

	source->event_fd = (int)syscall(__NR_perf_event_open, &perf->attr, -1, (int)source->index, -1,
					PERF_FLAG_FD_CLOEXEC);
	if (source->event_fd < 0)
		return false;
	base = mmap(NULL, (perf->pages + 1) * (size_t)getpagesize(), PROT_READ, MAP_SHARED, source->event_fd, 0);
	if (base == MAP_FAILED)
		return false;
	source->base = base;
	source->seen = 0;
	return !ioctl(source->event_fd, PERF_EVENT_IOC_ENABLE, 0) &&
	       !bpf_map_update_elem(perf->map_fd, &source->index, &source->event_fd, BPF_ANY);
}

static bool perf_open(struct glue_source *source)
{
	struct glue_reader *reader = source->reader;
	struct epoll_event event = { .events = EPOLLIN };
	int cpu = (int)source->index, event_fd;
	LIBBPF_OPTS(perf_buffer_raw_opts, options, .cpu_cnt = 1, .cpus = &cpu, .map_keys = &cpu);

	perf_close(source);
	if (reader->perf->overwritable) {
		if (!perf_open_overwritable(source))
			return false;
		event_fd = source->event_fd;
	} else {
		source->perf = perf_buffer__new_raw(reader->perf->map_fd, reader->perf->pages,
						    &reader->perf->attr, on_perf_event, source, &options);
		if (!source->perf)
			return false;
		event_fd = perf_buffer__buffer_fd(source->perf, 0);
	}
	return !epoll_ctl(reader->epoll_fd, EPOLL_CTL_ADD, event_fd, &event);
}

int glue_perf_open(struct glue_call *call, struct glue_reader *reader, uint32_t cpu)
{
	struct glue_source *source = &reader->sources[cpu];
	int error = 0;

	glue_enter(call);
	if (!perf_open(source)) {
		error = -errno;
		perf_close(source);
		errno = -error;
	}
	call->result = error;
	glue_leave(call);
	return error;
}

bool glue_perf_is_open(const struct glue_reader *reader, uint32_t cpu)
{
	return reader->sources[cpu].perf || reader->sources[cpu].event_fd >= 0;
}

void glue_reader_free(struct glue_reader *reader)
{
	uint32_t index;

	if (!reader)
		return;
	for (index = 0; index < reader->source_count; index++) {
		ring_buffer__free(reader->sources[index].ring);
		if (reader->perf)
			perf_close(&reader->sources[index]);
	}
	if (reader->perf && reader->perf->map_fd >= 0)
		close(reader->perf->map_fd);
	if (reader->epoll_fd >= 0)
		close(reader->epoll_fd);
	if (reader->wake_fd >= 0)
		close(reader->wake_fd);
	free(reader->perf);
	free(reader->sources);
	free(reader->records);
	free(reader->whole);
	free(reader->heads);
	free(reader);
}

static void put_fd(int fd, int *fds, uint32_t room, uint32_t *count)
{
	if (fd >= 0 && *count < room)
		fds[*count] = fd;
	*count += fd >= 0;
}

uint32_t glue_reader_fds(const struct glue_reader *reader, int *fds, uint32_t room)
{
	uint32_t count = 0, index;

	put_fd(reader->wake_fd, fds, room, &count);
	put_fd(reader->epoll_fd, fds, room, &count);
	if (reader->perf)
		put_fd(reader->perf->map_fd, fds, room, &count);
	for (index = 0; index < reader->source_count; index++) {
		const struct glue_source *source = &reader->sources[index];

		put_fd(source->event_fd, fds, room, &count);
		if (source->ring)
			put_fd(ring_buffer__epoll_fd(source->ring), fds, room, &count);
		if (source->perf) {
			put_fd(perf_buffer__epoll_fd(source->perf), fds, room, &count);
			put_fd(perf_buffer__buffer_fd(source->perf, 0), fds, room, &count);
		}
	}
	return count;
}

struct ring_buffer *glue_reader_ring(const struct glue_reader *reader, uint32_t index)
{
	return reader->sources[index].ring;
}

uint64_t glue_reader_most(const struct glue_reader *reader, uint32_t index)
{
	return reader->sources[index].most;
}

uint64_t glue_reader_waiting(const struct glue_reader *reader, uint32_t index)
{
	return reader->sources[index].waiting;
}

uint64_t glue_reader_lost(const struct glue_reader *reader, uint32_t cpu)
{
	return reader->sources[cpu].lost;
}

/*
 * The events of an overwritable buffer that are new since it was last read, the oldest first. The
 * kernel writes towards lower addresses: the newest lies at data_head, older ones behind it.
 */
static void drain_overwritable(struct glue_source *source)
{
	uint64_t size = source->reader->perf->pages * (uint64_t)getpagesize(), head, end, place;
	char *data = (char *)source->base + getpagesize(), *copy = NULL;
	struct perf_event_header event;
	struct {
		uint64_t start;
		uint16_t size;
	} *places = NULL;
	size_t allocated = 0, copied = 0, count = 0;

	/* While it is paused, programs that output get -ENOENT, and nothing moves. */
	ioctl(source->event_fd, PERF_EVENT_IOC_PAUSE_OUTPUT, 1);
	head = __atomic_load_n(&source->base->data_head, __ATOMIC_ACQUIRE);
	end = source->seen - head > size ? head + size : source->seen;
	for (place = head; end - place >= sizeof(event); place += event.size) {
		memcpy(&event, data + (place & (size - 1)), sizeof(event));	/* 8-byte bounds: it never wraps */
		if (event.size < sizeof(event) || event.size > end - place)
			break;	/* the oldest, half overwritten */
		if (!reserve(&places, &allocated, (count + 1) * sizeof(*places)))
			break;
		places[count].start = place & (size - 1);
		places[count++].size = event.size;
	}
	source->seen = head;
	while (count--) {
		uint64_t start = places[count].start, length = places[count].size;
		uint64_t first = length < size - start ? length : size - start;

		if (!reserve(&copy, &copied, length)) {
			refuse_record(source, ENOMEM, (uint32_t)length);
			break;
		}
		memcpy(copy, data + start, first);
		memcpy(copy + first, data, length - first);
		/* A program that was on its way into the buffer may have written since. */
		((struct perf_event_header *)copy)->size = (uint16_t)length;
		/* It may be more than a batch: what is left out here is seen no more. */
		on_perf_event(source, (int)source->index, (void *)copy);
	}
	ioctl(source->event_fd, PERF_EVENT_IOC_PAUSE_OUTPUT, 0);
	free(copy);
	free(places);
}

/* 0 also where libbpf is older than 1.3. */
static uint64_t bytes_waiting(const struct glue_source *source)
{
	unsigned long consumer, producer;
	struct ring *ring;

	if (!ring_buffer__ring)
		return 0;
	ring = ring_buffer__ring(source->ring, 0);
	/* In this order: the producer's only grows. */
	consumer = ring__consumer_pos(ring);
	producer = ring__producer_pos(ring);
	/* No ring gets that far, and libbpf would wrap around. */
	if (producer > LONG_MAX)
		return UINT64_MAX;
	return producer > consumer ? producer - consumer : 0;
}

static void drain_source(struct glue_source *source)
{
	if (source->ring) {
		source->waiting = bytes_waiting(source);
		/*
		 * Everybody who has the map may write the consumer's position. From a wrong one libbpf
		 * would go round the ring, for years if all that it meets is discarded.
		 */
		if (source->waiting > (uint64_t)source->largest + BPF_RINGBUF_HDR_SZ) {
			source->waiting = 0;
			refuse_record(source, EOVERFLOW, UINT32_MAX);
			return;
		}
		if (source->waiting > source->most)
			source->most = source->waiting;
		ring_buffer__consume(source->ring);
	} else if (source->perf) {
		perf_buffer__consume_buffer(source->perf, 0);
	} else if (source->base) {
		drain_overwritable(source);
	}
}

void glue_reader_drain(struct glue_reader *reader)
{
	uint32_t left = reader->source_count;

	reader->batch++;
	reader->count = 0;
	reader->lent = 0;
	reader->notices = 0;
	reader->used = 0;
	reader->error = 0;
	while (left-- && !reader->error && !batch_is_full(reader)) {
		drain_source(&reader->sources[reader->next_source]);
		reader->next_source = (reader->next_source + 1) % reader->source_count;
	}
	reader->events += reader->count - reader->notices;
}

void glue_reader_drain_into(struct glue_reader *reader, void *out, uint32_t capacity)
{
	size_t allocated = reader->heads_allocated;
	uint32_t own_capacity = reader->capacity;
	char *heads = reader->heads;

	reader->heads = out;
	/* Never to be reallocated: it holds what the capacity lets in. */
	reader->heads_allocated = SIZE_MAX;
	reader->capacity = capacity;
	glue_reader_drain(reader);
	reader->lent = reader->count;
	reader->count = 0;
	reader->capacity = own_capacity;
	reader->heads_allocated = allocated;
	reader->heads = heads;
}

/* --- records of several types --------------------------------------------- */

static int64_t integer_at(const char *data, uint32_t size, bool is_signed)
{
	union {
		uint8_t u8; int8_t s8; uint16_t u16; int16_t s16; uint32_t u32; int32_t s32; int64_t s64;
	} value;

	memcpy(&value, data, size);
	switch (size) {
	case 1:
		return is_signed ? value.s8 : value.u8;
	case 2:
		return is_signed ? value.s16 : value.u16;
	case 4:
		return is_signed ? value.s32 : (int64_t)value.u32;
	default:
		return value.s64;
	}
}

static int compare_values(const void *one, const void *other)
{
	int64_t first = *(const int64_t *)one, second = *(const int64_t *)other;

	return first < second ? -1 : first > second;
}

static uint32_t type_of(const struct glue_types *types, const char *data)
{
	int64_t value = integer_at(data + types->offset, types->size, types->is_signed);
	const int64_t *found = bsearch(&value, types->values, types->count, sizeof(value), compare_values);

	return found ? types->types[found - types->values] : types->other;
}

uint32_t glue_reader_tell(const struct glue_reader *reader, uint32_t position, const struct glue_types *types,
			  uint32_t *order, uint32_t *counts)
{
	const struct glue_record *record = reader->records + position, *end = reader->records + reader->count;
	uint32_t told = 0;

	for (; record < end; record++, told++) {
		order[told] = GLUE_NO_TYPE;
		if (record->lost)
			continue;
		order[told] = type_of(types, reader->whole + record->start);
		if (order[told] == GLUE_NO_TYPE || record->end - record->start < types->sizes[order[told]])
			break;
		counts[order[told]]++;
	}
	return told;
}

void glue_reader_gather(const struct glue_reader *reader, uint32_t position, const uint32_t *order,
			uint32_t count, uint32_t type, uint32_t size, void *out)
{
	const struct glue_record *records = reader->records + position;
	uint32_t i;

	for (i = 0; i < count; i++)
		if (order[i] == type)
			out = mempcpy(out, reader->whole + records[i].start, size);
}

/* --- a ring that is read where it lies ------------------------------------ */

/* Top bits of the length in the header of a record: linux/bpf.h, BPF_RINGBUF_BUSY_BIT and _DISCARD_BIT. */

void glue_lease_peek(struct glue_lease *lease, const void *positions, const void *data, uint64_t size,
		     uint32_t capacity)
{
	const unsigned long *consumer = positions;
	const unsigned long *producer = (const void *)((const char *)positions + getpagesize());
	unsigned long position = __atomic_load_n(consumer, __ATOMIC_ACQUIRE);
	unsigned long last = __atomic_load_n(producer, __ATOMIC_ACQUIRE);

	lease->count = 0;
	lease->error = 0;
	/* Written by somebody else: see drain_source. Records begin on 8-byte bounds. */
	if (position & 7 || last > LONG_MAX || (position < last && last - position > size)) {
		lease->error = EOVERFLOW;
		lease->end = position;
		return;
	}
	while (position < last && lease->count < capacity) {
		uint64_t offset = position & (size - 1);
		uint32_t header = __atomic_load_n((const uint32_t *)((const char *)data + offset), __ATOMIC_ACQUIRE);
		uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (header & BPF_RINGBUF_BUSY_BIT)
			break;
		if (length > size - BPF_RINGBUF_HDR_SZ) {
			lease->error = EOVERFLOW;
			break;
		}
		position += (length + BPF_RINGBUF_HDR_SZ + 7) & ~7UL;
		if (header & BPF_RINGBUF_DISCARD_BIT)
			continue;
		lease->records[lease->count].start = (uint32_t)(offset + BPF_RINGBUF_HDR_SZ);
		lease->records[lease->count].end = (uint32_t)(offset + BPF_RINGBUF_HDR_SZ + length);
		lease->ends[lease->count++] = position;
	}
	lease->end = position;
}

void glue_lease_commit(void *consumer_page, uint64_t position)
{
	__atomic_store_n((unsigned long *)consumer_page, (unsigned long)position, __ATOMIC_RELEASE);
}

/* --- user ring buffers ----------------------------------------------------- */

struct glue_user_ring *glue_user_ring_new(struct glue_call *call, int map_fd)
{
	struct glue_user_ring *ring;
	int error;

	glue_enter(call);
	ring = calloc(1, sizeof(*ring));
	if (ring) {
		ring->wake_fd = -1;
		ring->map_fd = fcntl(map_fd, F_DUPFD_CLOEXEC, 3);
		ring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (ring->map_fd >= 0 && ring->wake_fd >= 0)
			ring->ring = user_ring_buffer__new(ring->map_fd, NULL);
		if (!ring->ring) {
			error = errno;
			glue_user_ring_free(ring);
			ring = NULL;
			errno = error;
		}
	}
	call->result = (intptr_t)ring;
	glue_leave(call);
	return ring;
}

void glue_user_ring_free(struct glue_user_ring *ring)
{
	if (!ring)
		return;
	user_ring_buffer__free(ring->ring);
	if (ring->map_fd >= 0)
		close(ring->map_fd);
	if (ring->wake_fd >= 0)
		close(ring->wake_fd);
	free(ring);
}

void glue_user_ring_reserve(struct glue_user_ring *ring, uint32_t size)
{
	errno = 0;
	ring->reserved = user_ring_buffer__reserve(ring->ring, size);
	ring->error = ring->reserved ? 0 : errno;
}

void glue_user_ring_submit(struct glue_user_ring *ring, void *sample, const void *data, size_t size)
{
	if (data) {
		memcpy(sample, data, size);
		user_ring_buffer__submit(ring->ring, sample);
	} else {
		user_ring_buffer__discard(ring->ring, sample);
	}
}

/* --- maps ---------------------------------------------------------------- */

struct glue_map *glue_map_new(int fd, uint32_t key_size, bool key_signed, uint32_t value_size, bool value_signed)
{
	struct glue_map *map = calloc(1, sizeof(*map));

	if (!map)
		return NULL;
	map->fd = fd;
	map->key_size = key_size;
	map->value_size = value_size;
	map->largest_key = UINT64_MAX >> (64 - 8 * key_size + key_signed);
	map->largest_value = UINT64_MAX >> (64 - 8 * value_size + value_signed);
	return map;
}

void glue_map_free(struct glue_map *map)
{
	free(map);
}

static void map_close_fd(struct glue_map *map)
{
	int fd = __atomic_exchange_n(&map->fd, -1, __ATOMIC_SEQ_CST);

	if (fd >= 0)
		close(fd);
}

void glue_map_close(struct glue_map *map)
{
	__atomic_store_n(&map->closed, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&map->users, __ATOMIC_SEQ_CST))
		map_close_fd(map);
}

/* Either this sees that the map is closed, or glue_map_close sees a user. */
static bool map_borrow(struct glue_map *map)
{
	__atomic_add_fetch(&map->users, 1, __ATOMIC_SEQ_CST);
	return !__atomic_load_n(&map->closed, __ATOMIC_SEQ_CST);
}

static void map_release(struct glue_map *map)
{
	if (!__atomic_sub_fetch(&map->users, 1, __ATOMIC_SEQ_CST) &&
	    __atomic_load_n(&map->closed, __ATOMIC_SEQ_CST))
		map_close_fd(map);
}

union map_integer {
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	int8_t s8;
	int16_t s16;
	int32_t s32;
	int64_t s64;
};

static union map_integer map_integer(uint64_t number, uint32_t size)
{
	union map_integer integer = { 0 };

	switch (size) {
	case 1:
		integer.u8 = (uint8_t)number;
		break;
	case 2:
		integer.u16 = (uint16_t)number;
		break;
	case 4:
		integer.u32 = (uint32_t)number;
		break;
	default:
		integer.u64 = number;
	}
	return integer;
}

/* 0, or -errno. */
static int map_look_up(struct glue_map *map, uint64_t key, union map_integer *value)
{
	union map_integer integer = map_integer(key, map->key_size);
	int result = -EBADF;

	if (key > map->largest_key)
		return -ERANGE;
	if (map_borrow(map))
		result = bpf_map_lookup_elem(map->fd, &integer, value);
	map_release(map);
	return result;
}

uint64_t glue_map_look_up(struct glue_map *map, uint64_t key)
{
	union map_integer integer;
	uint64_t value;
	int result = map_look_up(map, key, &integer);

	if (result)
		return result == -ENOENT ? UINT64_MAX : GLUE_MAP_OTHER;
	switch (map->value_size) {
	case 1:
		return integer.u8;
	case 2:
		return integer.u16;
	case 4:
		return integer.u32;
	}
	value = integer.u64;
	return value < GLUE_MAP_OTHER ? value : GLUE_MAP_OTHER;
}

int64_t glue_map_look_up_signed(struct glue_map *map, uint64_t key)
{
	union map_integer integer;
	int64_t value;
	int result = map_look_up(map, key, &integer);

	if (result)
		return result == -ENOENT ? INT64_MAX : GLUE_MAP_OTHER_SIGNED;
	switch (map->value_size) {
	case 1:
		return integer.s8;
	case 2:
		return integer.s16;
	case 4:
		return integer.s32;
	}
	value = integer.s64;
	return value < GLUE_MAP_OTHER_SIGNED ? value : GLUE_MAP_OTHER_SIGNED;
}

int glue_map_update(struct glue_map *map, uint64_t key, uint64_t value, uint64_t flags)
{
	union map_integer key_integer = map_integer(key, map->key_size);
	union map_integer value_integer = map_integer(value, map->value_size);
	int result = -EBADF;

	if (key > map->largest_key || value > map->largest_value)
		return -ERANGE;
	if (map_borrow(map))
		result = bpf_map_update_elem(map->fd, &key_integer, &value_integer, flags);
	map_release(map);
	return result;
}

/* --- opening perf events ------------------------------------------------- */

int glue_perf_event_open(struct glue_call *call, const struct glue_perf_event *event, int pid, int cpu)
{
	struct perf_event_attr attribute = {
		.size = sizeof(attribute),
		.type = event->type,
		.config = event->config,
		.config1 = event->config1,
		.config2 = event->config2,
		.bp_type = event->bp_type,
		.sample_period = event->sample,
		.freq = event->by_frequency,
		.inherit = event->inherit,
		.disabled = true,
	};
	int fd;

	glue_enter(call);
	fd = (int)syscall(SYS_perf_event_open, &attribute, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	call->result = fd;
	glue_leave(call);
	return fd;
}

int glue_perf_event_enable(int fd)
{
	return ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0 ? -errno : 0;
}
