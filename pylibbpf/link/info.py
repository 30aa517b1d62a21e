# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the kernel says of a link: struct bpf_link_info, a dataclass per link type.

A fact that the running kernel does not report is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._native import check, ffi, lib
from ..enums import AttachType, LinkType

if TYPE_CHECKING:
    from .._libbpf import CData


@dataclass(frozen=True)
class LinkInfo:
    """Any link.

    Attributes:
        type: the kernel's link type.
        id: its id.
        program_id: the attached program; 0 for struct_ops.
    """

    type: LinkType
    id: int
    program_id: int


@dataclass(frozen=True)
class RawTracepointInfo(LinkInfo):
    """`name` of the tracepoint, and the `cookie`, as far as the kernel tells it (6.18)."""

    name: str
    cookie: int | None


@dataclass(frozen=True)
class TracingInfo(LinkInfo):
    """`attach_type`; `target_obj_id` of the BTF object or program, and `target_btf_id` of the function
    in it (5.13); the `cookie`, as far as the kernel tells it (6.18).
    """

    attach_type: AttachType
    target_obj_id: int | None
    target_btf_id: int | None
    cookie: int | None


@dataclass(frozen=True)
class CgroupInfo(LinkInfo):
    """`cgroup_id` of the cgroup, its inode number, and `attach_type`."""

    cgroup_id: int
    attach_type: AttachType


@dataclass(frozen=True)
class IterInfo(LinkInfo):
    """`target_name`, "task"; `map_id` of map iterators; `cgroup_id` and `cgroup_order` of cgroup
    iterators (6.1); `tid` and `pid` of task iterators (6.1).
    """

    target_name: str
    map_id: int | None
    cgroup_id: int | None
    cgroup_order: int | None
    tid: int | None
    pid: int | None


@dataclass(frozen=True)
class NetNsInfo(LinkInfo):
    """`netns_ino`, the inode number of the namespace, and `attach_type`."""

    netns_ino: int
    attach_type: AttachType


@dataclass(frozen=True)
class InterfaceInfo(LinkInfo):
    """XDP: `ifindex` of the device, 0 once it is gone."""

    ifindex: int


@dataclass(frozen=True)
class InterfaceDirectionInfo(InterfaceInfo):
    """tcx and netkit: `ifindex` and `attach_type`."""

    attach_type: AttachType


@dataclass(frozen=True)
class MapLinkInfo(LinkInfo):
    """struct_ops: `map_id`."""

    map_id: int


@dataclass(frozen=True)
class SockMapInfo(MapLinkInfo):
    """`map_id` of the SockMap or SockHash, and `attach_type`."""

    attach_type: AttachType


@dataclass(frozen=True)
class NetfilterInfo(LinkInfo):
    """Protocol family `pf`, `hooknum`, `priority`, `flags`."""

    pf: int
    hooknum: int
    priority: int
    flags: int


@dataclass(frozen=True)
class MultiInfo(LinkInfo):
    """kprobe.multi (6.6) and uprobe.multi (6.8): `count` of functions and `flags`."""

    count: int
    flags: int


@dataclass(frozen=True)
class PerfEventInfo(LinkInfo):
    """`event_type`, enum bpf_perf_event_type: 1 uprobe, 2 uretprobe, 3 kprobe, 4 kretprobe,
    5 tracepoint, 6 event (6.6).
    """

    event_type: int | None


def link_info(fd: int) -> LinkInfo:
    """The info of a link's fd. libbpf: bpf_obj_get_info_by_fd."""
    info, size = _query(fd)
    type = LinkType(info.type)
    common = {"type": type, "id": info.id, "program_id": info.prog_id}
    read = _READERS.get(type)
    return read(common, info, size, fd) if read else LinkInfo(**common)


def _query(fd: int, prepare: Callable[[Any], None] | None = None) -> tuple[CData, int]:
    info = ffi.new("struct bpf_link_info *")
    size = ffi.new("uint32_t *", ffi.sizeof(info[0]))
    if prepare:
        prepare(info)
    check(lib.bpf_obj_get_info_by_fd(fd, info, size), "get the info of a link")
    return info, size[0]


# The longest name of a tracepoint or iterator target (MODULE_NAME_LEN and KSYM_NAME_LEN stay below).
_NAME_SIZE = 512


def _name(fd: int, member: str, field: str) -> str:
    """A name that the kernel copies to where the struct points."""
    buffer = ffi.new("char[]", _NAME_SIZE)

    def point(info: Any) -> None:
        part = getattr(info, member)
        setattr(part, field, int(ffi.cast("uintptr_t", buffer)))
        setattr(part, f"{field}_len", _NAME_SIZE)

    _query(fd, point)
    return ffi.string(buffer).decode(errors="replace")


def _has(size: int, member: str, field: str) -> bool:
    """Whether this kernel's struct reaches as far as a field."""
    return size > ffi.offsetof("struct bpf_link_info", member, field)


def _raw_tracepoint(common: Any, info: Any, size: int, fd: int) -> LinkInfo:
    return RawTracepointInfo(
        **common,
        name=_name(fd, "raw_tracepoint", "tp_name"),
        cookie=info.raw_tracepoint.cookie or None,
    )


def _tracing(common: Any, info: Any, size: int, fd: int) -> LinkInfo:
    part = info.tracing
    known = _has(size, "tracing", "target_btf_id")
    return TracingInfo(
        **common,
        attach_type=AttachType(part.attach_type),
        target_obj_id=part.target_obj_id if known else None,
        target_btf_id=part.target_btf_id if known else None,
        cookie=part.cookie or None,
    )


def _iter(common: Any, info: Any, size: int, fd: int) -> LinkInfo:
    part, name = info.iter, _name(fd, "iter", "target_name")
    by_map = name in ("bpf_map_elem", "bpf_sk_storage_map", "sockmap")
    by_cgroup = name == "cgroup"
    by_task = name in ("task", "task_file", "task_vma") and _has(size, "iter", "u")
    return IterInfo(
        **common,
        target_name=name,
        map_id=part.map.map_id if by_map else None,
        cgroup_id=part.u.cgroup.cgroup_id if by_cgroup else None,
        cgroup_order=part.u.cgroup.order if by_cgroup else None,
        tid=part.u.task.tid if by_task else None,
        pid=part.u.task.pid if by_task else None,
    )


def _fields(
    kind: Callable[..., LinkInfo], member: str, *names: str
) -> Callable[[Any, Any, int, int], LinkInfo]:
    """Reads the fields of one member of the union, by the kernel's names."""

    def read(common: Any, info: Any, size: int, fd: int) -> LinkInfo:
        part = getattr(info, member)
        values = {name: getattr(part, name) for name in names}
        if "attach_type" in values:
            values["attach_type"] = AttachType(values["attach_type"])
        return kind(**common, **values)

    return read


_READERS: dict[LinkType, Callable[[Any, Any, int, int], LinkInfo]] = {
    LinkType.RAW_TRACEPOINT: _raw_tracepoint,
    LinkType.TRACING: _tracing,
    LinkType.ITER: _iter,
    LinkType.CGROUP: _fields(CgroupInfo, "cgroup", "cgroup_id", "attach_type"),
    LinkType.NETNS: _fields(NetNsInfo, "netns", "netns_ino", "attach_type"),
    LinkType.XDP: _fields(InterfaceInfo, "xdp", "ifindex"),
    LinkType.TCX: _fields(InterfaceDirectionInfo, "tcx", "ifindex", "attach_type"),
    LinkType.NETKIT: _fields(InterfaceDirectionInfo, "netkit", "ifindex", "attach_type"),
    LinkType.STRUCT_OPS: _fields(MapLinkInfo, "struct_ops", "map_id"),
    LinkType.SOCKMAP: _fields(SockMapInfo, "sockmap", "map_id", "attach_type"),
    LinkType.NETFILTER: _fields(NetfilterInfo, "netfilter", "pf", "hooknum", "priority", "flags"),
    LinkType.KPROBE_MULTI: _fields(MultiInfo, "kprobe_multi", "count", "flags"),
    LinkType.UPROBE_MULTI: _fields(MultiInfo, "uprobe_multi", "count", "flags"),
    LinkType.PERF_EVENT: lambda common, info, size, fd: PerfEventInfo(
        **common, event_type=info.perf_event.type or None
    ),
}
