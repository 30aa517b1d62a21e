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

/* One record of a ring, at offset in the batch it was copied into. */
struct glue_record {
	size_t offset;
	uint32_t size;
	uint32_t ring;	/* index of the map it came from, in the order they were added */
};

/*
 * A reader of ring buffer maps. A drain copies records into the batch that the
 * caller lends, until it is full. libbpf has consumed a record by the time we
 * see that it does not fit, so that one waits in `spill` for the next drain.
 *
 * `count` and `spilled` live here and not in the return value, so that a signal
 * handler that raises as the call returns loses no record.
 */
struct glue_ring {
	struct ring_buffer *rings;
	uint32_t ring_count;
	struct glue_source *sources;
	char *data;
	size_t data_size;
	size_t used;
	struct glue_record *records;
	size_t capacity;
	size_t count;
	char *spill;
	size_t spill_size;
	uint32_t spill_ring;
	bool spilled;
};

struct glue_ring *glue_ring_new(struct glue_call *call, const int *map_fds, uint32_t map_count);
void glue_ring_free(struct glue_ring *ring);
int glue_ring_epoll_fd(const struct glue_ring *ring);
/* Size of the record that waits for a larger batch, or 0. */
size_t glue_ring_spill_size(const struct glue_ring *ring);
/*
 * Fills the batch. Returns the records it holds, or -errno. A spilled record
 * that is larger than the whole batch gives -EMSGSIZE and goes on waiting.
 */
int glue_ring_drain(struct glue_call *call, struct glue_ring *ring, char *data, size_t data_size,
		    struct glue_record *records, size_t capacity);
