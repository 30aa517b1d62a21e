# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the kernel says of a link: struct bpf_link_info, a dataclass per link type.

A fact that the running kernel does not report is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .._native import check, ffi, lib
from ..enums import AttachType, LinkType, PerfEventType

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
class KProbeMultiInfo(LinkInfo):
    """kprobe.multi and kprobe.session (6.6): the `addresses` of the functions, if the reader may know them
    (kernel.kptr_restrict), and `flags`; how many runs it `missed` (6.7); the `cookies`, in the order of the
    addresses and 0 without any (6.9).
    """

    count: int | None
    flags: int | None
    addresses: tuple[int, ...] | None
    missed: int | None
    cookies: tuple[int, ...] | None


@dataclass(frozen=True)
class UProbeMultiInfo(LinkInfo):
    """uprobe.multi and uprobe.session (6.8): the `path` of the file, the `offsets` in it and `flags`; the
    `pid` of the process that it is limited to, if any; in the order of the offsets the
    `reference_counter_offsets` and `cookies`, 0 where there is none.
    """

    count: int | None
    flags: int | None
    path: str | None
    offsets: tuple[int, ...] | None
    reference_counter_offsets: tuple[int, ...] | None
    cookies: tuple[int, ...] | None
    pid: int | None


@dataclass(frozen=True)
class PerfEventInfo(LinkInfo):
    """`event_type`; None before 6.6, which brought it and the subclasses of this."""

    event_type: PerfEventType | None


@dataclass(frozen=True)
class KProbeInfo(PerfEventInfo):
    """kprobe and kretprobe: the `function` and the `offset` in it; the `address` of the probe, if the
    reader may know it (kernel.kptr_restrict); how many runs it `missed` (6.7); the `cookie` (6.9).
    """

    function: str
    offset: int
    address: int | None
    missed: int | None
    cookie: int | None


@dataclass(frozen=True)
class UProbeInfo(PerfEventInfo):
    """uprobe and uretprobe: the `file` and the `offset` in it; the `cookie` (6.9); the
    `reference_counter_offset`, if it has one and the kernel tells it (6.17).
    """

    file: str
    offset: int
    cookie: int | None
    reference_counter_offset: int | None


@dataclass(frozen=True)
class TracepointInfo(PerfEventInfo):
    """The `name` of the tracepoint, without its category; the `cookie` (6.9)."""

    name: str
    cookie: int | None


@dataclass(frozen=True)
class EventInfo(PerfEventInfo):
    """Other perf events: `config` and `attribute_type`, as in struct perf_event_attr; the `cookie` (6.9)."""

    config: int
    attribute_type: int
    cookie: int | None


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
# linux/limits.h
_PATH_MAX = 4096


def _name(fd: int, member: str, field: str, length: str = "", size: int = _NAME_SIZE) -> str:
    """A name that the kernel copies to where the struct points."""
    buffer = ffi.new("char[]", size)

    def point(info: Any) -> None:
        part = attrgetter(member)(info)
        setattr(part, field, int(ffi.cast("uintptr_t", buffer)))
        setattr(part, length or f"{field}_len", size)

    _query(fd, point)
    return ffi.string(buffer).decode(errors="replace")


def _has(size: int, *field: str) -> bool:
    """Whether this kernel's struct reaches as far as a field."""
    return size > ffi.offsetof("struct bpf_link_info", *field)


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


def _perf_event(common: Any, info: Any, size: int, fd: int) -> LinkInfo:
    if not info.perf_event.type:
        return PerfEventInfo(**common, event_type=None)
    common = {**common, "event_type": PerfEventType(info.perf_event.type)}
    member = _PERF_EVENT_MEMBERS.get(common["event_type"])
    return member(common, info.perf_event.u, size, fd) if member else PerfEventInfo(**common)


def _perf_cookie(part: Any, size: int) -> int | None:
    # One commit added the cookie to all members (6.9); that of kprobes makes the struct longer.
    return part.cookie if _has(size, "perf_event", "u", "kprobe", "cookie") else None


def _kprobe(common: Any, union: Any, size: int, fd: int) -> LinkInfo:
    part = union.kprobe
    return KProbeInfo(
        **common,
        function=_name(fd, "perf_event.u.kprobe", "func_name", "name_len"),
        offset=part.offset,
        address=part.addr or None,
        missed=part.missed if _has(size, "perf_event", "u", "kprobe", "missed") else None,
        cookie=_perf_cookie(part, size),
    )


def _uprobe(common: Any, union: Any, size: int, fd: int) -> LinkInfo:
    return UProbeInfo(
        **common,
        file=_name(fd, "perf_event.u.uprobe", "file_name", "name_len", _PATH_MAX),
        offset=union.uprobe.offset,
        cookie=_perf_cookie(union.uprobe, size),
        reference_counter_offset=union.uprobe.ref_ctr_offset or None,
    )


def _tracepoint(common: Any, union: Any, size: int, fd: int) -> LinkInfo:
    return TracepointInfo(
        **common,
        name=_name(fd, "perf_event.u.tracepoint", "tp_name", "name_len"),
        cookie=_perf_cookie(union.tracepoint, size),
    )


def _event(common: Any, union: Any, size: int, fd: int) -> LinkInfo:
    part = union.event
    return EventInfo(**common, config=part.config, attribute_type=part.type, cookie=_perf_cookie(part, size))


def _kprobe_multi(common: Any, info: Any, size: int, fd: int) -> LinkInfo:
    count, has_cookies = info.kprobe_multi.count, _has(size, "kprobe_multi", "cookies")
    if not count:
        return KProbeMultiInfo(**common, count=None, flags=None, addresses=None, missed=None, cookies=None)
    addresses, cookies = (ffi.new("uint64_t[]", count) for _ in range(2))

    def point(info: Any) -> None:
        part = info.kprobe_multi
        part.count = count
        part.addrs = int(ffi.cast("uintptr_t", addresses))
        if has_cookies:
            part.cookies = int(ffi.cast("uintptr_t", cookies))

    filled = _query(fd, point)[0].kprobe_multi
    return KProbeMultiInfo(
        **common,
        count=count,
        flags=filled.flags,
        addresses=tuple(addresses) if any(addresses) else None,
        missed=filled.missed if _has(size, "kprobe_multi", "missed") else None,
        cookies=tuple(cookies) if has_cookies else None,
    )


def _uprobe_multi(common: Any, info: Any, size: int, fd: int) -> LinkInfo:
    count = info.uprobe_multi.count
    if not count:
        return UProbeMultiInfo(
            **common, count=None, flags=None, path=None, offsets=None, reference_counter_offsets=None,
            cookies=None, pid=None,
        )  # fmt: skip
    path = ffi.new("char[]", _PATH_MAX)
    lists = {name: ffi.new("uint64_t[]", count) for name in ("offsets", "ref_ctr_offsets", "cookies")}

    def point(info: Any) -> None:
        part = info.uprobe_multi
        part.count = count
        part.path, part.path_size = int(ffi.cast("uintptr_t", path)), _PATH_MAX
        for name, values in lists.items():
            setattr(part, name, int(ffi.cast("uintptr_t", values)))

    filled = _query(fd, point)[0].uprobe_multi
    return UProbeMultiInfo(
        **common,
        count=count,
        flags=filled.flags,
        path=ffi.string(path).decode(errors="surrogateescape"),
        offsets=tuple(lists["offsets"]),
        reference_counter_offsets=tuple(lists["ref_ctr_offsets"]),
        cookies=tuple(lists["cookies"]),
        pid=filled.pid or None,
    )


_PERF_EVENT_MEMBERS: dict[PerfEventType, Callable[[Any, Any, int, int], LinkInfo]] = {
    PerfEventType.UPROBE: _uprobe,
    PerfEventType.URETPROBE: _uprobe,
    PerfEventType.KPROBE: _kprobe,
    PerfEventType.KRETPROBE: _kprobe,
    PerfEventType.TRACEPOINT: _tracepoint,
    PerfEventType.EVENT: _event,
}


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
    LinkType.KPROBE_MULTI: _kprobe_multi,
    LinkType.UPROBE_MULTI: _uprobe_multi,
    LinkType.PERF_EVENT: _perf_event,
}
