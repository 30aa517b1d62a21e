# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What is attached to a hook: BPF_PROG_QUERY."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._native import check, ffi, lib
from ..enums import AttachFlags, AttachType
from ..errors import BpfError, NotSupportedError, from_errno
from ..since import lacks_function, why_not
from .target import describe_target, is_on_socket_maps, lend_target, what_is_wrong

if TYPE_CHECKING:
    from .._libbpf import CData
    from .._native import StrPath
    from ..enums import XdpMode
    from ..fds import HasFileno

# include/uapi/linux/bpf.h
BPF_F_QUERY_EFFECTIVE = 1 << 0


@dataclass(frozen=True)
class AttachedProgram:
    """A program of a hook. What the kernel does not tell is None.

    Attributes:
        id: the program's id.
        link_id: the id of the link that attached it, 0 if none did (tcx 6.6, netkit 6.7).
        flags: those it was attached with (cgroups 6.0).
        mode: which part of the kernel runs it (XDP).
    """

    id: int
    link_id: int | None
    flags: AttachFlags | None
    mode: XdpMode | None = None


@dataclass(frozen=True)
class QueryResult:
    """What is attached to a hook. What the kernel does not tell is None.

    Attributes:
        programs: the attached programs, in the order in which they run.
        flags: how programs are attached to the hook; 0 where it knows no flags.
        revision: counts the changes of the hook, for `expected_revision` (tcx 6.6, netkit 6.7,
            cgroups 6.17).
    """

    programs: tuple[AttachedProgram, ...]
    flags: AttachFlags
    revision: int | None


def query(
    target: StrPath | int | HasFileno, attach_type: AttachType, *, effective: bool = False
) -> QueryResult:
    """What is attached to a hook. Needs CAP_NET_ADMIN.

    Args:
        target: a cgroup or network namespace by path or fd, a SockMap or SockHash by object or
            fd, an interface by name or index (tcx, netkit, XDP), as the attach type wants it.
        attach_type: the hook. Filters of traffic control are none: `query_tc`.
        effective: for a cgroup all that run there, with the programs of the cgroups above it.

    Raises:
        NotFoundError: there is no such target.
        NotSupportedError: this kernel has no such attach type, or cannot tell (SockMap before 5.18).
        BpfError: the kernel refused, for a target of another kind for instance.

    libbpf: bpf_prog_query_opts (cgroups 4.15, namespaces 4.20, 5.9, tcx 6.6, netkit 6.7);
    bpf_xdp_query for XDP (4.8), whose programs netlink tells.
    """
    attach_type = AttachType(attach_type)
    operation = f"query {attach_type.name} of"
    with lend_target(target, attach_type, operation) as fd:
        if attach_type == AttachType.XDP:
            return _of_xdp(fd, operation, describe_target(target))
        try:
            return _read(fd, attach_type, BPF_F_QUERY_EFFECTIVE if effective else 0, operation)
        except BpfError as error:
            raise _explained(error, fd, attach_type, describe_target(target)) from error


def _of_xdp(index: int, operation: str, subject: str) -> QueryResult:
    from .xdp import query_xdp

    found = query_xdp(index, operation, subject)
    # Of a device that is not there netlink tells nothing.
    if not found and (wrong := what_is_wrong(index, AttachType.XDP, errno.ENODEV)):
        raise from_errno(errno.ENODEV, operation, subject, hint=wrong)
    programs = tuple(AttachedProgram(id, None, None, mode) for mode, id in found.items())
    return QueryResult(programs, AttachFlags(0), None)


def _explained(error: BpfError, fd: int, attach_type: AttachType, subject: str) -> BpfError:
    number = error.errno or 0
    error.subject = subject
    if number != errno.EINVAL:
        error.hint = error.hint or what_is_wrong(fd, attach_type, number)
        return error
    missing = why_not(attach_type)
    if is_on_socket_maps(attach_type) and lacks_function("sock_map_bpf_prog_query"):
        missing = "SockMap and SockHash can be queried since Linux 5.18."
    if missing:
        return NotSupportedError(number, error.operation, subject, hint=missing)
    error.hint = what_is_wrong(fd, attach_type, number) or "The kernel cannot query programs of this kind."
    return error


def is_without_order(fd: int, attach_type: AttachType) -> bool:
    """Whether a hook is known to have no order and no revision, which a kernel may then ignore silently.

    Before 6.17 the kernel reads the revision of a cgroup link as another field, or not at all.
    """
    # The kernel tells the revision of one hook; LSM_CGROUP is all hooks of the LSM.
    asked = AttachType.CGROUP_INET_INGRESS if attach_type == AttachType.LSM_CGROUP else attach_type
    options = _options(0)
    return lib.bpf_prog_query_opts(fd, asked, options) == 0 and options.revision == 0


# --- reading ----------------------------------------------------------------------------

# What the kernel tells of each program, by what each version of the command has: since 6.6, 6.0, 4.15.
_FIELDS = (
    ("prog_ids", "prog_attach_flags", "link_ids"),
    ("prog_ids", "prog_attach_flags"),
    ("prog_ids",),
)
# Stays where the kernel takes an array and does not fill it, as 6.6 to 6.18 do with the link ids of cgroups.
_UNTOLD = 0xFFFFFFFF


def _options(flags: int) -> CData:
    options = ffi.new("struct bpf_prog_query_opts *")
    options.sz = ffi.sizeof("struct bpf_prog_query_opts")
    options.query_flags = flags
    return options


def _read(fd: int, attach_type: AttachType, flags: int, operation: str) -> QueryResult:
    fields = iter(_FIELDS)
    wanted = next(fields)
    while True:
        options = _options(flags)
        check(lib.bpf_prog_query_opts(fd, attach_type, options), operation)
        size = options.count
        if not size:
            return _result(options, {})
        options = _options(flags)
        arrays = {name: ffi.new("uint32_t[]", [_UNTOLD] * size) for name in wanted}
        for name, array in arrays.items():
            setattr(options, name, array)
        options.count = size
        result = lib.bpf_prog_query_opts(fd, attach_type, options)
        if result == -errno.ENOSPC:
            continue  # there are more by now
        if result == -errno.EINVAL and len(wanted) > 1:
            # An effective query takes no flags, whatever the kernel.
            wanted = next(fields)
            continue
        check(result, operation)
        return _result(options, arrays)


def _result(options: CData, arrays: dict[str, CData]) -> QueryResult:
    def told(name: str, index: int) -> int | None:
        value = arrays[name][index] if name in arrays else _UNTOLD
        return None if value == _UNTOLD else int(value)

    programs = []
    for index in range(options.count):
        flags = told("prog_attach_flags", index)
        programs.append(
            AttachedProgram(
                id=told("prog_ids", index) or 0,
                link_id=told("link_ids", index),
                flags=None if flags is None else AttachFlags(flags),
            )
        )
    return QueryResult(tuple(programs), AttachFlags(options.attach_flags), options.revision or None)
