# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the kernel says of a map: struct bpf_map_info, and /proc/self/fdinfo."""

from __future__ import annotations

from dataclasses import dataclass

from .._native import ffi, lib
from ..enums import MapFlags, MapType
from ..fdinfo import fdinfo
from .layout import read_info


@dataclass(frozen=True)
class MapInfo:
    """A map, as BPF_OBJ_GET_INFO_BY_FD and /proc/self/fdinfo report it. What a kernel does not
    report is None.

    Attributes:
        type: its type.
        id: its id.
        name: the first 15 characters of its name.
        key_size: bytes of a key.
        value_size: bytes of a value, on one CPU.
        max_entries: how many elements it can have.
        flags: its flags at creation.
        map_extra: what a type makes of it: hashes of a bloom filter, address of an arena (5.16).
        ifindex: the device it is offloaded to, or 0.
        netns_dev, netns_ino: the network namespace of that device, or 0.
        btf_id: id of the BTF with its types, or 0.
        btf_key_type_id, btf_value_type_id: types in that BTF, or 0.
        btf_vmlinux_id: id of the kernel's or a module's BTF, for struct_ops, or 0 (6.9).
        btf_vmlinux_value_type_id: type of the value there, for struct_ops, or 0.
        memlock: bytes of kernel memory that it takes, or None without /proc.
        frozen: whether system calls can change it no more (5.2), or None without /proc.
        hash: SHA-256 of the contents of a frozen array (6.18), or None.
    """

    type: MapType
    id: int
    name: str
    key_size: int
    value_size: int
    max_entries: int
    flags: MapFlags
    map_extra: int | None
    ifindex: int
    netns_dev: int
    netns_ino: int
    btf_id: int
    btf_key_type_id: int
    btf_value_type_id: int
    btf_vmlinux_id: int | None
    btf_vmlinux_value_type_id: int
    memlock: int | None
    frozen: bool | None
    hash: bytes | None


_SHA256 = 32


def map_info(fd: int) -> MapInfo:
    """The info of a map's fd. libbpf: bpf_obj_get_info_by_fd."""
    info, size = read_info(fd)

    def since(field: str) -> int | None:
        """A field that an older, shorter struct of the kernel does not have."""
        return getattr(info, field) if ffi.offsetof("struct bpf_map_info", field) < size else None

    more = fdinfo(fd)
    frozen = more["frozen"] != "0" if "frozen" in more else None
    return MapInfo(
        type=MapType(info.type),
        id=info.id,
        name=ffi.string(info.name).decode(errors="replace"),
        key_size=info.key_size,
        value_size=info.value_size,
        max_entries=info.max_entries,
        flags=MapFlags(info.map_flags),
        map_extra=since("map_extra"),
        ifindex=info.ifindex,
        netns_dev=info.netns_dev,
        netns_ino=info.netns_ino,
        btf_id=info.btf_id,
        btf_key_type_id=info.btf_key_type_id,
        btf_value_type_id=info.btf_value_type_id,
        btf_vmlinux_id=since("btf_vmlinux_id"),
        btf_vmlinux_value_type_id=info.btf_vmlinux_value_type_id,
        memlock=int(more["memlock"]) if "memlock" in more else None,
        frozen=frozen,
        hash=_hash(fd) if frozen and since("hash_size") is not None else None,
    )


def _hash(fd: int) -> bytes | None:
    """The kernel's hash of the contents, or None where it has none."""
    info = ffi.new("struct bpf_map_info *")
    size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_map_info"))
    found = ffi.new("uint8_t[]", _SHA256)
    info.hash, info.hash_size = int(ffi.cast("uintptr_t", found)), _SHA256
    # A kernel that does not know the fields says so to what is in them, as one does whose map has no hash.
    return bytes(ffi.buffer(found)) if lib.bpf_obj_get_info_by_fd(fd, info, size) == 0 else None
