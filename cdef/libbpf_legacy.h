/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* libbpf_legacy.h: older names, kept by libbpf for its users. */

/* Opaque: only functions look inside. */
struct bpf_program;
struct bpf_map;
struct btf;
struct btf_ext;

/* Since libbpf 1.0 these do nothing. */
enum libbpf_strict_mode {
	LIBBPF_STRICT_ALL = 0xffffffff,
	LIBBPF_STRICT_NONE = 0x00,
	LIBBPF_STRICT_CLEAN_PTRS = 0x01,
	LIBBPF_STRICT_DIRECT_ERRS = 0x02,
	LIBBPF_STRICT_SEC_NAME = 0x04,
	LIBBPF_STRICT_NO_OBJECT_LIST = 0x08,
	LIBBPF_STRICT_AUTO_RLIMIT_MEMLOCK = 0x10,
	LIBBPF_STRICT_MAP_DEFINITIONS = 0x20,
	__LIBBPF_STRICT_LAST,
};

int libbpf_set_strict_mode(enum libbpf_strict_mode mode);
long libbpf_get_error(const void *ptr);

/* Older names of functions in libbpf.h and btf.h. */
struct btf *libbpf_find_kernel_btf(void);
enum bpf_prog_type bpf_program__get_type(const struct bpf_program *prog);
enum bpf_attach_type bpf_program__get_expected_attach_type(const struct bpf_program *prog);
const char *bpf_map__get_pin_path(const struct bpf_map *map);
const void *btf__get_raw_data(const struct btf *btf, __u32 *size);
const void *btf_ext__get_raw_data(const struct btf_ext *btf_ext, __u32 *size);
