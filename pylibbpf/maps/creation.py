# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Maps made without an object: BPF_MAP_CREATE."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from .._native import NULL, Handle, c_string, ffi, lib, open_fd
from ..enums import MapFlags, MapType
from ..errors import BpfError, NotSupportedError

if TYPE_CHECKING:
    from ..btf.load import LoadedBtf

# BPF_OBJ_NAME_LEN less the NUL byte.
LONGEST_NAME = 15


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
    if len(encoded) > LONGEST_NAME:
        raise ValueError(
            f"the name of a map has {LONGEST_NAME} bytes at most, and {name!r} has {len(encoded)}"
        )
    options = ffi.new("struct bpf_map_create_opts *")
    options.sz = ffi.sizeof("struct bpf_map_create_opts")
    options.map_flags = flags
    options.map_extra = map_extra
    options.map_ifindex = ifindex
    options.inner_map_fd = inner_fd
    if types is not None:
        options.btf_fd, options.btf_key_type_id, options.btf_value_type_id = types.fd, *_STORAGE_TYPE_IDS
    if numa_node is not None:
        options.map_flags = flags | MapFlags.NUMA_NODE
        options.numa_node = numa_node
    if token_fd:
        options.map_flags |= MapFlags.TOKEN_FD
        options.token_fd = token_fd
    what = f"map '{name}'" if name else f"{type.name} map"
    try:
        handle = open_fd(
            lib.call_bpf_map_create, type, encoded or NULL, key_size, value_size, max_entries, options,
            operation="create", subject=what,
        )  # fmt: skip
    except BpfError as error:
        number = error.errno or 0
        if number == errno.EINVAL and is_missing(type):
            raise NotSupportedError(errno.EOPNOTSUPP, "create", what, hint=since(type)) from error
        if not error.hint:
            error.hint = _hint(
                number, type, key_size=key_size, value_size=value_size, max_entries=max_entries, flags=flags
            )
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


def _hint(number: int, type: MapType, *, key_size: int, value_size: int, max_entries: int, flags: int) -> str:
    """What may be wrong: the kernel says EINVAL to nearly everything."""
    if number == errno.E2BIG:
        return "The key, the value or max_entries is too large for this type."
    if number == errno.ENOMEM:
        return "The kernel found no memory for it, or the cgroup's limit is reached."
    if number != errno.EINVAL:
        return ""
    if not max_entries and type not in _WITHOUT_ENTRIES:
        return "max_entries is 0."
    if type in _RINGS and (max_entries & (max_entries - 1) or max_entries % 4096):
        return "The size of a ring, max_entries, must be a power of two and a multiple of the page size."
    if type == MapType.LPM_TRIE and not flags & MapFlags.NO_PREALLOC:
        return "An LPM trie needs MapFlags.NO_PREALLOC."
    if type in _LOCAL_STORAGE and (key_size != 4 or max_entries):
        return "The key of local storage is an fd, 4 bytes, and max_entries is 0."
    if not value_size:
        return "value_size is 0."
    return ""
