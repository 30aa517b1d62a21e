# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Maps made without an object: BPF_MAP_CREATE."""

from __future__ import annotations

import errno
from string import ascii_letters, digits
from typing import TYPE_CHECKING

from .._native import NULL, Handle, c_string, ffi, lib, open_fd
from ..arguments import unsigned
from ..enums import MapFlags, MapType
from ..errors import ENOTSUPP, BpfError, NotSupportedError
from .kinds import class_of

if TYPE_CHECKING:
    from .._libbpf import CData
    from ..btf.load import LoadedBtf

# BPF_OBJ_NAME_LEN less the NUL byte, and what kernel/bpf/syscall.c:bpf_obj_name_cpy takes.
LONGEST_NAME = 15
_IN_NAMES = (ascii_letters + digits + "_.").encode()


def create_map(
    type: MapType,
    name: str,
    key_size: int,
    value_size: int,
    max_entries: int,
    *,
    flags: int,
    map_extra: int,
    numa_node: int | None,
    ifindex: int,
    inner_fd: int,
    token_fd: int,
    types: LoadedBtf | None,
) -> Handle:
    """A new map's fd. libbpf: bpf_map_create."""
    encoded = c_string(name, "the name of a map")
    if encoded.translate(None, _IN_NAMES):
        raise ValueError(f"the name of a map has letters, digits, '_' and '.' only, not {name!r}")
    if len(encoded) > LONGEST_NAME:
        raise ValueError(
            f"the name of a map has {LONGEST_NAME} bytes at most, and {name!r} has {len(encoded)}"
        )
    options = ffi.new("struct bpf_map_create_opts *")
    options.sz = ffi.sizeof("struct bpf_map_create_opts")
    options.map_flags = flags
    options.map_extra = unsigned(map_extra, "map_extra", bits=64)
    options.map_ifindex = unsigned(ifindex, "ifindex")
    options.inner_map_fd = inner_fd
    if types is not None:
        options.btf_fd, options.btf_key_type_id, options.btf_value_type_id = types.fd, *_STORAGE_TYPE_IDS
    if numa_node is not None:
        options.map_flags = flags | MapFlags.NUMA_NODE
        options.numa_node = unsigned(numa_node, "numa_node")
    if token_fd:
        options.map_flags |= MapFlags.TOKEN_FD
        options.token_fd = token_fd
    sizes = (
        unsigned(key_size, "key_size"),
        unsigned(value_size, "value_size"),
        unsigned(max_entries, "max_entries"),
    )
    what = f"map '{name}'" if name else f"{type.name} map"
    try:
        handle = open_fd(
            lib.call_bpf_map_create, type, encoded or NULL, *sizes, options,
            operation="create", subject=what,
        )  # fmt: skip
    except BpfError as error:
        number = error.errno or 0
        if number == errno.EINVAL and is_missing(type):
            raise NotSupportedError(errno.EOPNOTSUPP, "create", what, hint=since(type)) from error
        error.hint = error.hint or _hint(number, type, options, key_size, value_size, max_entries)
        raise
    handle.what = what
    return handle


# The types of storage_types.
_STORAGE_TYPE_IDS = (1, 3)


def storage_types(type: MapType, value_size: int) -> LoadedBtf | None:
    """BTF of the key and the value of local storage, which the kernel asks for; None for other kinds.

    The value is an array of bytes: what it means is known to this process only.
    """
    if type not in _LOCAL_STORAGE:
        return None
    from ..btf.build import BtfBuilder

    with BtfBuilder() as built:
        key = built.add_int("int", 4, signed=True)
        value = built.add_array(built.add_int("unsigned char", 1), value_size, key)
        assert (key.id, value.id) == _STORAGE_TYPE_IDS
        return built.load()


_WITHOUT_ENTRIES = {
    MapType.SK_STORAGE,
    MapType.INODE_STORAGE,
    MapType.TASK_STORAGE,
    MapType.CGRP_STORAGE,
    MapType.CGROUP_STORAGE,
    MapType.PERCPU_CGROUP_STORAGE,
}
_RINGS = {MapType.RINGBUF, MapType.USER_RINGBUF}
_LOCAL_STORAGE = {MapType.SK_STORAGE, MapType.INODE_STORAGE, MapType.TASK_STORAGE, MapType.CGRP_STORAGE}

# Linux that has each type newer than 5.10 (include/uapi/linux/bpf.h in git).
_SINCE = {
    MapType.TASK_STORAGE: "5.11",
    MapType.BLOOM_FILTER: "5.16",
    MapType.USER_RINGBUF: "6.1",
    MapType.CGRP_STORAGE: "6.2",
    MapType.ARENA: "6.9",
    MapType.INSN_ARRAY: "6.19",
}


def since(type: MapType) -> str:
    """What to say of a type that the kernel lacks."""
    where = f"since Linux {_SINCE[type]}" if type in _SINCE else "where it is configured"
    return f"The kernel has no maps of type {type.name}. There are {where}."


def is_missing(type: MapType) -> bool:
    """Whether the kernel is sure to lack a type."""
    from ..features import has_map_type

    try:
        return not has_map_type(type)
    except BpfError:
        return False


def _hint(
    number: int, type: MapType, options: CData, key_size: int, value_size: int, max_entries: int
) -> str:
    """What may be wrong: the kernel says EINVAL to nearly everything."""
    if number == errno.E2BIG:
        return "The key, the value or max_entries is too large for this type."
    if number == errno.ENOMEM:
        return "The kernel found no memory for it, or the cgroup's limit is reached."
    if number == errno.EBADF:
        return "inner_map or token_fd is no fd of a map or a token."
    if options.map_ifindex and number in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENODEV):
        return (
            f"Interface {options.map_ifindex} takes no maps: offload is a matter of its hardware and driver."
        )
    if number == ENOTSUPP:
        return "Maps of this type are always, or never, allocated in advance: see MapFlags.NO_PREALLOC."
    return (
        _what_does_not_fit(type, options, key_size, value_size, max_entries) if number == errno.EINVAL else ""
    )


def _what_does_not_fit(
    type: MapType, options: CData, key_size: int, value_size: int, max_entries: int
) -> str:
    kind = class_of(type)
    if not max_entries and type not in _WITHOUT_ENTRIES:
        return "max_entries is 0."
    if type in _RINGS and (max_entries & (max_entries - 1) or max_entries % 4096):
        return "The size of a ring, max_entries, must be a power of two and a multiple of the page size."
    if type in _LOCAL_STORAGE and (key_size != 4 or max_entries):
        return "The key of local storage is an fd, 4 bytes, and max_entries is 0."
    if kind._key_size not in (None, key_size):
        return f"A key of this type takes {kind._key_size} bytes, and key_size is {key_size}."
    if type in _OF_FOUR_BYTES and value_size != 4:
        return f"A value of this type takes 4 bytes, and value_size is {value_size}."
    if type in _OF_FOUR_OR_EIGHT_BYTES and value_size not in (4, 8):
        return f"A value of this type takes 4 or 8 bytes, and value_size is {value_size}."
    if type == MapType.STRUCT_OPS:
        return "Such a map comes from an object: its value is a struct of the kernel, with programs in it."
    if type in _OF_MAPS and not options.inner_map_fd:
        return "A map of maps needs inner_map, one like those that it shall hold."
    if type == MapType.LPM_TRIE and not 5 <= key_size <= 260:
        return "A key has 4 bytes for its length and 1 to 256 for the prefix."
    if type == MapType.STACK_TRACE and (value_size % 8 or not 8 <= value_size <= 8 * 127):
        return (
            "A stack trace has 8 bytes for each of its addresses, 127 at most (kernel.perf_event_max_stack)."
        )
    if type == MapType.BLOOM_FILTER and options.map_extra > 15:
        return "map_extra, the number of hashes, is 15 at most."
    if not value_size:
        return "value_size is 0."
    if options.map_flags:
        return f"This kernel, or this type, does not take {MapFlags(options.map_flags)!r} together."
    return "Its sizes or map_extra do not go with its type."


_OF_FOUR_BYTES = {
    MapType.PROG_ARRAY,
    MapType.PERF_EVENT_ARRAY,
    MapType.CGROUP_ARRAY,
    MapType.ARRAY_OF_MAPS,
    MapType.HASH_OF_MAPS,
    MapType.XSKMAP,
}
# An fd, and what reading gives: a socket's cookie; a device or CPU, and a program for it.
_OF_FOUR_OR_EIGHT_BYTES = {
    MapType.SOCKMAP,
    MapType.SOCKHASH,
    MapType.REUSEPORT_SOCKARRAY,
    MapType.DEVMAP,
    MapType.DEVMAP_HASH,
    MapType.CPUMAP,
}
_OF_MAPS = {MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS}
