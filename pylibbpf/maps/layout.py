# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The kernel's facts about a map that decide how much memory a system call reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._native import ffi, object_info
from ..enums import MapType
from ..system import num_possible_cpus

if TYPE_CHECKING:
    from .._libbpf import CData

_PER_CPU = {
    MapType.PERCPU_HASH,
    MapType.LRU_PERCPU_HASH,
    MapType.PERCPU_ARRAY,
    MapType.PERCPU_CGROUP_STORAGE,
}
# Their values are fds on the way in and ids on the way out (kernel/bpf/syscall.c:IS_FD_MAP).
_OF_FDS = {
    MapType.PROG_ARRAY,
    MapType.PERF_EVENT_ARRAY,
    MapType.CGROUP_ARRAY,
    MapType.ARRAY_OF_MAPS,
    MapType.HASH_OF_MAPS,
}


class Layout:
    """What never changes of a map that exists.

    Attributes:
        type: its type.
        id: the kernel's id.
        name: the first 15 characters of its name.
        key_size, value_size: bytes of a key and of a value on one CPU.
        max_entries: how many elements it can have.
        flags: its flags at creation.
        map_extra: what a type makes of it: hashes of a bloom filter, address of an arena.
        ifindex: the device it is offloaded to.
        btf_id: the kernel's id of the BTF with its types, or 0.
        key_type_id, value_type_id: types in that BTF, or 0.
        transfer_size: bytes of a value as system calls copy it: for per-CPU types
            each CPU's value rounded up to 8 bytes
            (kernel/bpf/syscall.c:bpf_map_value_size).
    """

    __slots__ = (
        "btf_id",
        "flags",
        "id",
        "ifindex",
        "key_size",
        "key_type_id",
        "map_extra",
        "max_entries",
        "name",
        "transfer_size",
        "type",
        "value_size",
        "value_type_id",
    )

    def __init__(self, info: CData) -> None:
        self.type = MapType(info.type)
        self.id: int = info.id
        self.name = ffi.string(info.name).decode(errors="replace")
        self.key_size: int = info.key_size
        self.value_size: int = info.value_size
        self.max_entries: int = info.max_entries
        self.flags: int = info.map_flags
        self.map_extra: int = info.map_extra
        self.ifindex: int = info.ifindex
        self.btf_id: int = info.btf_id
        self.key_type_id: int = info.btf_key_type_id
        self.value_type_id: int = info.btf_value_type_id
        self.transfer_size = transfer_size(self.type, self.value_size)


def transfer_size(type: MapType, value_size: int) -> int:
    """Bytes that a system call copies for a value."""
    if type in _PER_CPU:
        return per_cpu_stride(value_size) * num_possible_cpus()
    return 4 if type in _OF_FDS else value_size


def per_cpu_stride(value_size: int) -> int:
    """Bytes from one CPU's value to the next one's."""
    return (value_size + 7) & ~7


def read_info(fd: int) -> tuple[CData, int]:
    """struct bpf_map_info of a map's fd, and how many bytes of it the kernel knows.

    libbpf: bpf_obj_get_info_by_fd.
    """
    return object_info(fd, "bpf_map_info", "a map")


def read_layout(fd: int) -> Layout:
    """The layout of a map's fd."""
    return Layout(read_info(fd)[0])
