# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the kernel says of a loaded program: struct bpf_prog_info."""

from __future__ import annotations

from dataclasses import dataclass

from .._native import check, ffi, lib
from ..enums import ProgramType
from .stats import ProgramStats


@dataclass(frozen=True)
class ProgramInfo:
    """A loaded program, as BPF_OBJ_GET_INFO_BY_FD reports it. What a kernel does not report is None.

    Attributes:
        type: its type.
        id: its id.
        tag: hash of its instructions, 8 bytes.
        name: the first 15 characters of its name.
        load_time_ns: when it was loaded, in nanoseconds since boot.
        created_by_uid: the user who loaded it.
        map_ids: ids of the maps it uses.
        gpl_compatible: whether its licence lets it call GPL-only helpers (4.18).
        ifindex: the device it is offloaded to, or 0.
        btf_id: id of its BTF, or 0 (5.0).
        translated_size: bytes of its instructions after the verifier; 0 without CAP_SYS_ADMIN or CAP_BPF.
        jited_size: bytes of its machine code; 0 when it is interpreted.
        verified_instructions: how many instructions the verifier walked (5.16).
        attach_btf_obj_id: id of the BTF that it attaches to (5.18).
        attach_btf_id: type id of the function it attaches to, there (5.18).
        stats: how often and how long it ran (5.1).
    """

    type: ProgramType
    id: int
    tag: bytes
    name: str
    load_time_ns: int
    created_by_uid: int
    map_ids: tuple[int, ...]
    gpl_compatible: bool
    ifindex: int
    btf_id: int
    translated_size: int
    jited_size: int
    verified_instructions: int | None
    attach_btf_obj_id: int | None
    attach_btf_id: int | None
    stats: ProgramStats


def program_info(fd: int) -> ProgramInfo:
    """The info of a program's fd. libbpf: bpf_obj_get_info_by_fd."""
    info = ffi.new("struct bpf_prog_info *")
    size = ffi.new("uint32_t *")
    map_ids = ffi.new("uint32_t[]", 0)
    while True:
        # The kernel reads the struct too: it fills arrays where it finds a count and an address.
        wanted = len(map_ids)
        ffi.memmove(info, bytes(ffi.sizeof(info[0])), ffi.sizeof(info[0]))
        size[0] = ffi.sizeof(info[0])
        info.nr_map_ids = wanted
        info.map_ids = int(ffi.cast("uintptr_t", map_ids)) if wanted else 0
        check(lib.bpf_obj_get_info_by_fd(fd, info, size), "get the info of a program")
        if info.nr_map_ids <= wanted:
            break
        map_ids = ffi.new("uint32_t[]", info.nr_map_ids)

    def since(field: str) -> int | None:
        """A field that an older, shorter struct of the kernel does not have."""
        return getattr(info, field) if ffi.offsetof("struct bpf_prog_info", field) < size[0] else None

    return ProgramInfo(
        type=ProgramType(info.type),
        id=info.id,
        tag=bytes(ffi.buffer(info.tag)),
        name=ffi.string(info.name).decode(errors="replace"),
        load_time_ns=info.load_time,
        created_by_uid=info.created_by_uid,
        map_ids=tuple(map_ids[0 : info.nr_map_ids]),
        gpl_compatible=bool(info.gpl_compatible),
        ifindex=info.ifindex,
        btf_id=info.btf_id,
        translated_size=info.xlated_prog_len,
        jited_size=info.jited_prog_len,
        verified_instructions=since("verified_insns"),
        attach_btf_obj_id=since("attach_btf_obj_id"),
        attach_btf_id=since("attach_btf_id"),
        stats=ProgramStats(info.run_cnt, info.run_time_ns, info.recursion_misses),
    )
