/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Everything that pylibbpf adds in C. Read twice: by cffi as declarations, and
 * by the C compiler behind libbpf's own headers.
 *
 * Nothing here calls Python. What libbpf hands to a callback is copied into a
 * buffer, and Python reads the buffer once the call has returned.
 */

/* Text that grows. */
struct glue_text {
	char *data;
	size_t size;
	size_t capacity;
	int lost;	/* lines that found no memory */
};

void glue_text_free(struct glue_text *text);

/*
 * What one call of libbpf left behind: errno as it was when the call returned,
 * and what libbpf said meanwhile. Each line begins with its level as a digit
 * (enum libbpf_print_level) and ends with a NUL byte.
 */
struct glue_call {
	intptr_t result;	/* what the function returned: a signal handler that raises loses nothing */
	int error;
	int level;		/* the most talkative level that is kept */
	struct glue_text log;
};

struct glue_call *glue_call_new(int level);
void glue_call_free(struct glue_call *call);

/* From here on libbpf's words go to the call in progress, and never to stderr. */
void glue_init(void);

/* The function that the libbpf in use lacked when this thread last got -GLUE_MISSING, or NULL. */
const char *glue_missing_function(void);
/* The libbpf release that brought a function, "1.6"; NULL for those of 1.1 and earlier. */
const char *glue_since(const char *function);
bool glue_is_system_libbpf(void);

#define GLUE_MISSING 4095

/* The C form of one type and of what it needs, or of every type when type_id is 0. */
int glue_btf_dump(struct glue_call *call, const struct btf *btf, uint32_t type_id, struct glue_text *text);

/* A value as libbpf's typed dump writes it. Returns the bytes of data it consumed. */
int glue_btf_dump_data(struct glue_call *call, const struct btf *btf, uint32_t type_id,
		       const void *data, size_t size, bool compact, bool skip_names, bool emit_zeroes,
		       struct glue_text *text);

/* Where a record lies in the batch, in bytes, and the map it came from, in the order given. */
struct glue_record {
	uint32_t start;
	uint32_t end;
	uint32_t ring;
};

/*
 * A reader of ring buffer maps. A drain copies records into the batch, until it
 * is full or the rings are empty. With a record_size the batch is an array of
 * that stride, of each record's first bytes; without one, records are kept whole
 * on 8-byte bounds and `records` tells where.
 *
 * All that a drain leaves behind is in here, and not in its return value, so that
 * a signal handler that raises as the call returns loses no record.
 */
struct glue_ring {
	int wake_fd;		/* an eventfd: whoever waits for records waits for it too */
	uint64_t batch;		/* number of the batch: it grows with every drain */
	uint32_t count;		/* records in the batch */
	size_t used;		/* bytes in the batch */
	char *data;
	struct glue_record *records;
	/*
	 * The record that ended the batch and is not in it, or 0: EBADMSG for one that is
	 * shorter than record_size, whose bytes follow the batch's; EOVERFLOW for a length
	 * that no record of the ring can have; ENOMEM for one that found no memory.
	 */
	int error;
	uint32_t error_size;
	uint32_t error_ring;

	uint32_t record_size;
	uint32_t capacity;	/* records that fill the batch */
	size_t size;		/* bytes that fill the batch */
	size_t allocated;	/* bytes behind data: more than size, for a record larger than the batch */
	uint32_t ring_count;
	uint32_t next_ring;	/* where the next drain begins */
	struct glue_source *sources;
};

struct glue_ring *glue_ring_new(struct glue_call *call, const int *map_fds, uint32_t map_count,
				uint32_t record_size, uint32_t capacity, size_t size);
void glue_ring_free(struct glue_ring *ring);
/* The epoll fd of one map's reader. That of the first map watches all of them. */
int glue_ring_epoll_fd(const struct glue_ring *ring, uint32_t index);
/* Replaces the batch by the records that the rings have now. Does not wait. */
void glue_ring_drain(struct glue_ring *ring);
