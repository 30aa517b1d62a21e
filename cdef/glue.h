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
		       const void *data, size_t size, bool compact, bool skip_names, struct glue_text *text);

/* A record of a batch. */
struct glue_record {
	uint32_t start;		/* of its bytes in `whole` */
	uint32_t end;
	uint32_t source;	/* the map it came from, in the order given, or the CPU */
	uint32_t lost;		/* perf buffers: so many samples were lost here, and this is no sample */
};

/*
 * A reader of ring buffer maps, or of the perf buffers of all CPUs. A drain copies
 * records into the batch, until it is full or nothing is left. With a stride, `heads`
 * is an array of each record's first bytes, zeroes behind those that are shorter.
 * With keep_whole, `whole` has all their bytes on 8-byte bounds, and `records` tells where.
 *
 * All that a drain leaves behind is in here, and not in its return value, so that
 * a signal handler that raises as the call returns loses no record.
 */
struct glue_reader {
	int wake_fd;		/* an eventfd: whoever waits for records waits for it too */
	int epoll_fd;		/* readable when a source has records or wake_fd was written */
	uint64_t batch;		/* number of the batch: it grows with every drain */
	uint32_t count;		/* records in the batch */
	uint32_t notices;	/* those of them that tell of lost samples */
	uint32_t lent;		/* records that the last glue_reader_drain_into gave away */
	char *heads;
	char *whole;
	size_t used;		/* bytes of whole */
	struct glue_record *records;
	/*
	 * The record that ended the batch and is not in it, or 0: EBADMSG for one that is
	 * shorter than `least`, whose bytes follow those of whole; EOVERFLOW for a length
	 * that no record can have; ENOMEM for one that found no memory.
	 */
	int error;
	uint32_t error_size;
	uint32_t error_source;

	uint32_t stride;
	uint32_t least;		/* bytes that a record must have */
	bool keep_whole;
	uint32_t capacity;	/* records that fill the batch */
	size_t size;		/* bytes of whole that fill the batch */
	size_t heads_allocated;	/* bytes */
	size_t whole_allocated;
	size_t records_allocated;

	uint64_t events;	/* records drained so far */
	uint32_t source_count;
	uint32_t next_source;	/* where the next drain begins */
	struct glue_source *sources;
	struct glue_perf *perf;	/* what all perf buffers of a reader have in common; NULL for rings */
};

/* What records are kept of: see struct glue_reader. */
struct glue_layout {
	uint32_t stride;
	uint32_t least;
	uint32_t capacity;
	size_t size;
	bool keep_whole;
};

struct glue_reader *glue_ring_new(struct glue_call *call, const int *map_fds, uint32_t map_count,
				  const struct glue_layout *layout);
/*
 * For perf buffers of 2^n pages; keep_lost: batches have notices of lost samples. It begins
 * with none: see glue_perf_open.
 */
struct glue_reader *glue_perf_new(struct glue_call *call, int map_fd, uint32_t cpu_count, uint32_t pages,
				  uint32_t wakeup_events, uint32_t wakeup_bytes, bool overwritable,
				  bool keep_lost, const struct glue_layout *layout);
/* Opens the buffer of a CPU, in place of the one that is there, and puts it into the map. */
int glue_perf_open(struct glue_call *call, struct glue_reader *reader, uint32_t cpu);
bool glue_perf_is_open(const struct glue_reader *reader, uint32_t cpu);
void glue_reader_free(struct glue_reader *reader);
/* The fds of a reader, for a forked child. Returns how many; writes no more than room. */
uint32_t glue_reader_fds(const struct glue_reader *reader, int *fds, uint32_t room);
/* libbpf's reader of one map. */
struct ring_buffer *glue_reader_ring(const struct glue_reader *reader, uint32_t index);
/* Bytes that waited in a map when a drain found most of them. 0 where libbpf is older than 1.3. */
uint64_t glue_reader_most(const struct glue_reader *reader, uint32_t index);
/* The same of the last drain. */
uint64_t glue_reader_waiting(const struct glue_reader *reader, uint32_t index);
/* The samples that the buffer of a CPU lost. */
uint64_t glue_reader_lost(const struct glue_reader *reader, uint32_t cpu);
/* Replaces the batch by the records that there are now. Does not wait. */
void glue_reader_drain(struct glue_reader *reader);
/*
 * The same into the caller's memory, for rings and with a stride: the batch is empty then, and `lent`
 * says how many there are.
 */
void glue_reader_drain_into(struct glue_reader *reader, void *out, uint32_t capacity);

/*
 * The types that an integer in each record tells apart. One more type may stand for all
 * values that are not listed.
 */
struct glue_types {
	uint32_t offset;	/* of the integer in the record */
	uint32_t size;		/* 1, 2, 4 or 8 bytes */
	bool is_signed;
	uint32_t count;
	const int64_t *values;	/* ascending; unsigned ones of 64 bits reinterpreted */
	const uint32_t *types;	/* the type of each value: an index into sizes */
	uint32_t other;		/* the type of all other values, or GLUE_NO_TYPE */
	const uint32_t *sizes;	/* bytes that a record of each type must have */
};

#define GLUE_NO_TYPE 0xffffffff

/*
 * Writes the type of each record of the batch from a position on, GLUE_NO_TYPE for a notice of lost
 * samples, and ends with a record that has no type or is shorter than its type. Needs keep_whole.
 * Returns how many there are before that one, and counts these by type.
 */
uint32_t glue_reader_tell(const struct glue_reader *reader, uint32_t position, const struct glue_types *types,
			  uint32_t *order, uint32_t *counts);
/* Copies the first bytes of the records of one type, one behind the other. */
void glue_reader_gather(const struct glue_reader *reader, uint32_t position, const uint32_t *order,
			uint32_t count, uint32_t type, uint32_t size, void *out);

/*
 * The committed records of a mapped ring from a position on, discarded ones left out. Places are
 * offsets into the data pages, which are mapped twice in a row.
 */
struct glue_lease {
	uint64_t end;		/* position behind the last record */
	uint32_t count;
	int error;		/* EOVERFLOW for a length that no record of the ring can have */
	uint64_t *ends;		/* by record: the position behind it */
	struct glue_record *records;
};

void glue_lease_peek(struct glue_lease *lease, const void *positions, const void *data, uint64_t size,
		     uint32_t capacity);
/* Gives the space before a position back to the producers. */
void glue_lease_commit(void *consumer_page, uint64_t position);

/* A producer for a user ring buffer map. */
struct glue_user_ring {
	int wake_fd;
	int map_fd;		/* writable while the ring has space */
	struct user_ring_buffer *ring;
	void *reserved;		/* what glue_user_ring_reserve got, until Python has taken note */
	int error;		/* or why it got nothing */
};

struct glue_user_ring *glue_user_ring_new(struct glue_call *call, int map_fd);
void glue_user_ring_free(struct glue_user_ring *ring);
void glue_user_ring_reserve(struct glue_user_ring *ring, uint32_t size);
void glue_user_ring_submit(struct glue_user_ring *ring, void *sample, const void *data, size_t size);

/*
 * The fd of a map whose keys and values are integers, for one element at a time. A call borrows the fd, and
 * whoever uses it last after glue_map_close closes it: what Python's handles do, in one step of Python's.
 *
 * Integers go in as they are, and one that does not fit is refused. The two largest values mean that there is
 * no value: GLUE_MAP_OTHER, for every error and for the rare values that look like these two, and one more,
 * the largest of all, for a key that does not exist.
 */
struct glue_map {
	int fd;
	uint32_t users;
	uint32_t closed;
	uint32_t key_size;
	uint32_t value_size;
	uint64_t largest_key;
	uint64_t largest_value;
};

#define GLUE_MAP_OTHER 0xfffffffffffffffe
#define GLUE_MAP_OTHER_SIGNED 0x7ffffffffffffffe

/* Sizes are 1, 2, 4 or 8. NULL if there is no memory. */
struct glue_map *glue_map_new(int fd, uint32_t key_size, bool key_signed, uint32_t value_size, bool value_signed);
void glue_map_close(struct glue_map *map);
void glue_map_free(struct glue_map *map);
uint64_t glue_map_look_up(struct glue_map *map, uint64_t key);
int64_t glue_map_look_up_signed(struct glue_map *map, uint64_t key);
/* 0, or a negative number for every error. */
int glue_map_update(struct glue_map *map, uint64_t key, uint64_t value, uint64_t flags);

/*
 * What perf_event_open(2) opens: of struct perf_event_attr what matters to a program that runs on
 * the event. libbpf has no function for it.
 */
struct glue_perf_event {
	uint32_t type;
	uint64_t config;
	uint64_t config1;	/* of a breakpoint: its address */
	uint64_t config2;	/* of a breakpoint: its length in bytes */
	uint32_t bp_type;
	uint64_t sample;	/* run the program every so many events, or so many times a second */
	bool by_frequency;
	bool inherit;
};

/* Opens an event, which is off. Returns its fd, or -errno. */
int glue_perf_event_open(struct glue_call *call, const struct glue_perf_event *event, int pid, int cpu);
/* Turns an event on. Returns 0, or -errno. */
int glue_perf_event_enable(int fd);
