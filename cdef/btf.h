/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* btf.h: reading, writing and printing BTF. */

/* Opaque: only functions look inside. */
struct btf_dump;

/* ELF sections. */
static char *const BTF_ELF_SEC;
static char *const BTF_EXT_ELF_SEC;
static char *const BTF_BASE_ELF_SEC;
static char *const MAPS_ELF_SEC;

/* BTF: open, split, load into the kernel. */
enum btf_endianness {
	BTF_LITTLE_ENDIAN = 0,
	BTF_BIG_ENDIAN = 1,
};

void btf__free(struct btf *btf);
struct btf *btf__new(const void *data, __u32 size);
struct btf *btf__new_split(const void *data, __u32 size, struct btf *base_btf);
struct btf *btf__new_empty(void);
struct btf *btf__new_empty_split(struct btf *base_btf);
int btf__distill_base(const struct btf *src_btf, struct btf **new_base_btf, struct btf **new_split_btf);
struct btf *btf__parse(const char *path, struct btf_ext **btf_ext);
struct btf *btf__parse_split(const char *path, struct btf *base_btf);
struct btf *btf__parse_elf(const char *path, struct btf_ext **btf_ext);
struct btf *btf__parse_elf_split(const char *path, struct btf *base_btf);
struct btf *btf__parse_raw(const char *path);
struct btf *btf__parse_raw_split(const char *path, struct btf *base_btf);
struct btf *btf__load_vmlinux_btf(void);
struct btf *btf__load_module_btf(const char *module_name, struct btf *vmlinux_btf);
struct btf *btf__load_from_kernel_by_id(__u32 id);
struct btf *btf__load_from_kernel_by_id_split(__u32 id, struct btf *base_btf);
int btf__load_into_kernel(struct btf *btf);

/* BTF: find types, resolve them. */
__s32 btf__find_by_name(const struct btf *btf, const char *type_name);
__s32 btf__find_by_name_kind(const struct btf *btf, const char *type_name, __u32 kind);
__u32 btf__type_cnt(const struct btf *btf);
const struct btf *btf__base_btf(const struct btf *btf);
const struct btf_type *btf__type_by_id(const struct btf *btf, __u32 id);
size_t btf__pointer_size(const struct btf *btf);
int btf__set_pointer_size(struct btf *btf, size_t ptr_sz);
enum btf_endianness btf__endianness(const struct btf *btf);
int btf__set_endianness(struct btf *btf, enum btf_endianness endian);
__s64 btf__resolve_size(const struct btf *btf, __u32 type_id);
int btf__resolve_type(const struct btf *btf, __u32 type_id);
int btf__align_of(const struct btf *btf, __u32 id);
int btf__fd(const struct btf *btf);
void btf__set_fd(struct btf *btf, int fd);
const void *btf__raw_data(const struct btf *btf, __u32 *size);
const char *btf__name_by_offset(const struct btf *btf, __u32 offset);
const char *btf__str_by_offset(const struct btf *btf, __u32 offset);

/* .BTF.ext. */
struct btf_ext *btf_ext__new(const __u8 *data, __u32 size);
void btf_ext__free(struct btf_ext *btf_ext);
const void *btf_ext__raw_data(const struct btf_ext *btf_ext, __u32 *size);
enum btf_endianness btf_ext__endianness(const struct btf_ext *btf_ext);
int btf_ext__set_endianness(struct btf_ext *btf_ext, enum btf_endianness endian);

/* BTF: write. */
int btf__find_str(struct btf *btf, const char *s);
int btf__add_str(struct btf *btf, const char *s);
int btf__add_type(struct btf *btf, const struct btf *src_btf, const struct btf_type *src_type);
int btf__add_btf(struct btf *btf, const struct btf *src_btf);
int btf__add_int(struct btf *btf, const char *name, size_t byte_sz, int encoding);
int btf__add_float(struct btf *btf, const char *name, size_t byte_sz);
int btf__add_ptr(struct btf *btf, int ref_type_id);
int btf__add_array(struct btf *btf, int index_type_id, int elem_type_id, __u32 nr_elems);
int btf__add_struct(struct btf *btf, const char *name, __u32 sz);
int btf__add_union(struct btf *btf, const char *name, __u32 sz);
int btf__add_field(struct btf *btf, const char *name, int field_type_id, __u32 bit_offset, __u32 bit_size);
int btf__add_enum(struct btf *btf, const char *name, __u32 bytes_sz);
int btf__add_enum_value(struct btf *btf, const char *name, __s64 value);
int btf__add_enum64(struct btf *btf, const char *name, __u32 bytes_sz, bool is_signed);
int btf__add_enum64_value(struct btf *btf, const char *name, __u64 value);

enum btf_fwd_kind {
	BTF_FWD_STRUCT = 0,
	BTF_FWD_UNION = 1,
	BTF_FWD_ENUM = 2,
};

int btf__add_fwd(struct btf *btf, const char *name, enum btf_fwd_kind fwd_kind);
int btf__add_typedef(struct btf *btf, const char *name, int ref_type_id);
int btf__add_volatile(struct btf *btf, int ref_type_id);
int btf__add_const(struct btf *btf, int ref_type_id);
int btf__add_restrict(struct btf *btf, int ref_type_id);
int btf__add_type_tag(struct btf *btf, const char *value, int ref_type_id);
int btf__add_type_attr(struct btf *btf, const char *value, int ref_type_id);
int btf__add_func(struct btf *btf, const char *name, enum btf_func_linkage linkage, int proto_type_id);
int btf__add_func_proto(struct btf *btf, int ret_type_id);
int btf__add_func_param(struct btf *btf, const char *name, int type_id);
int btf__add_var(struct btf *btf, const char *name, int linkage, int type_id);
int btf__add_datasec(struct btf *btf, const char *name, __u32 byte_sz);
int btf__add_datasec_var_info(struct btf *btf, int var_type_id, __u32 offset, __u32 byte_sz);
int btf__add_decl_tag(struct btf *btf, const char *value, int ref_type_id, int component_idx);
int btf__add_decl_attr(struct btf *btf, const char *value, int ref_type_id, int component_idx);

/* BTF: deduplicate, relocate to another base, reorder. */
struct btf_dedup_opts {
	size_t sz;
	struct btf_ext *btf_ext;
	bool force_collisions;
	...;
};

int btf__dedup(struct btf *btf, const struct btf_dedup_opts *opts);
int btf__relocate(struct btf *btf, const struct btf *base_btf);

struct btf_permute_opts {
	size_t sz;
	struct btf_ext *btf_ext;
	...;
};

int btf__permute(struct btf *btf, __u32 *id_map, __u32 id_map_cnt, const struct btf_permute_opts *opts);

/* BTF: write as C. The callback takes a va_list, so only C can provide one: see glue_btf_dump. */
struct btf_dump_opts {
	size_t sz;
	...;
};

typedef ... *btf_dump_printf_fn_t;

struct btf_dump *btf_dump__new(const struct btf *btf, btf_dump_printf_fn_t printf_fn, void *ctx,
		const struct btf_dump_opts *opts);
void btf_dump__free(struct btf_dump *d);
int btf_dump__dump_type(struct btf_dump *d, __u32 id);

struct btf_dump_emit_type_decl_opts {
	size_t sz;
	const char *field_name;
	int indent_level;
	bool strip_mods;
	...;
};

int btf_dump__emit_type_decl(struct btf_dump *d, __u32 id, const struct btf_dump_emit_type_decl_opts *opts);

struct btf_dump_type_data_opts {
	size_t sz;
	const char *indent_str;
	int indent_level;
	bool compact;
	bool skip_names;
	bool emit_zeroes;
	bool emit_strings;
	...;
};

int btf_dump__dump_type_data(struct btf_dump *d, __u32 id, const void *data, size_t data_sz,
		const struct btf_dump_type_data_opts *opts);

/* Functions of the header, not of the library: what a struct btf_type holds, and what follows it. */
static inline __u16 btf_kind(const struct btf_type *t);
static inline __u16 btf_vlen(const struct btf_type *t);
static inline bool btf_kflag(const struct btf_type *t);
static inline bool btf_is_void(const struct btf_type *t);
static inline bool btf_is_int(const struct btf_type *t);
static inline bool btf_is_ptr(const struct btf_type *t);
static inline bool btf_is_array(const struct btf_type *t);
static inline bool btf_is_struct(const struct btf_type *t);
static inline bool btf_is_union(const struct btf_type *t);
static inline bool btf_is_composite(const struct btf_type *t);
static inline bool btf_is_enum(const struct btf_type *t);
static inline bool btf_is_enum64(const struct btf_type *t);
static inline bool btf_is_fwd(const struct btf_type *t);
static inline bool btf_is_typedef(const struct btf_type *t);
static inline bool btf_is_volatile(const struct btf_type *t);
static inline bool btf_is_const(const struct btf_type *t);
static inline bool btf_is_restrict(const struct btf_type *t);
static inline bool btf_is_mod(const struct btf_type *t);
static inline bool btf_is_func(const struct btf_type *t);
static inline bool btf_is_func_proto(const struct btf_type *t);
static inline bool btf_is_var(const struct btf_type *t);
static inline bool btf_is_datasec(const struct btf_type *t);
static inline bool btf_is_float(const struct btf_type *t);
static inline bool btf_is_decl_tag(const struct btf_type *t);
static inline bool btf_is_type_tag(const struct btf_type *t);
static inline bool btf_is_any_enum(const struct btf_type *t);
static inline bool btf_kind_core_compat(const struct btf_type *t1, const struct btf_type *t2);
static inline __u8 btf_int_encoding(const struct btf_type *t);
static inline __u8 btf_int_offset(const struct btf_type *t);
static inline __u8 btf_int_bits(const struct btf_type *t);
static inline struct btf_array *btf_array(const struct btf_type *t);
static inline struct btf_enum *btf_enum(const struct btf_type *t);
static inline struct btf_enum64 *btf_enum64(const struct btf_type *t);
static inline __u64 btf_enum64_value(const struct btf_enum64 *e);
static inline struct btf_member *btf_members(const struct btf_type *t);
static inline __u32 btf_member_bit_offset(const struct btf_type *t, __u32 member_idx);
static inline __u32 btf_member_bitfield_size(const struct btf_type *t, __u32 member_idx);
static inline struct btf_param *btf_params(const struct btf_type *t);
static inline struct btf_var *btf_var(const struct btf_type *t);
static inline struct btf_var_secinfo *btf_var_secinfos(const struct btf_type *t);
static inline struct btf_decl_tag *btf_decl_tag(const struct btf_type *t);
