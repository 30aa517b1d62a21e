# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Filters of traffic control: programs on a qdisc, attached through netlink."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._native import ffi, lib
from ..enums import AttachType, ProgramType, TcAttachPoint
from ..errors import BpfError, NotSupportedError, from_errno
from .attachment import LinkOrAttachment, hold, program_id
from .create import require_program
from .netlink import NetlinkAttachment
from .target import describe_target, lend_target, or_no_interface

if TYPE_CHECKING:
    from .._libbpf import CData
    from .create import Attachable

# enum bpf_tc_flags
_REPLACE = 1 << 0


class TcFilter(LinkOrAttachment):
    """A program as a filter of a qdisc. The kernel has no links for it: `is_bpf_link` is False.

    Attributes:
        handle: the filter's handle.
        priority: its priority.
    """

    handle: int
    priority: int

    def _no_link(self, operation: str) -> NotSupportedError:
        return NotSupportedError(
            errno.EOPNOTSUPP,
            f"{operation} a filter of traffic control",
            hint="There are no links for filters. attach_tcx makes one, since Linux 6.6.",
        )

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"<TcFilter {self.handle:#x}, priority {self.priority}{state}>"


def attach_tc(
    program: Attachable,
    interface: str | int,
    *,
    attach_point: TcAttachPoint = TcAttachPoint.INGRESS,
    parent: int = 0,
    handle: int = 0,
    priority: int = 0,
    legacy: bool = False,
) -> TcFilter:
    """Attaches a program as a filter of a qdisc of a device, through netlink.

    Args:
        program: a loaded `SchedCls` or `Tcx`, of any origin.
        interface: the device, by name or index, of the network namespace of this thread.
        attach_point: INGRESS or EGRESS of the device's clsact qdisc, which is added if it has
            none and stays; or CUSTOM for another qdisc, which is there.
        parent: that qdisc or class, for CUSTOM: 0x10000 for "1:".
        handle: the filter's handle, by default one that the kernel chooses.
        priority: its order among the filters, the lowest first, by default one that the kernel
            chooses.
        legacy: must be True, since a filter outlives the process if nobody closes it.

    Returns:
        A `TcFilter`. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type.
        NotSupportedError: without legacy=True.
        NotFoundError: there is no such device.
        ExistsError: there is a filter with this handle and priority.
        BpfError: the kernel refused.

    libbpf: bpf_tc_hook_create, bpf_tc_attach (4.5; direct action 4.4).
    """
    require_program(program, ProgramType.SCHED_CLS)
    point = TcAttachPoint(attach_point)
    _require_numbers(point, parent, handle, priority)
    operation, where = f"attach program '{program.name}' to", describe_target(interface)
    if not legacy:
        raise NotSupportedError(
            errno.EOPNOTSUPP,
            operation,
            where,
            hint="There are no links for filters of traffic control: attach_tcx makes a link, since "
            "Linux 6.6, and legacy=True a filter, which outlives the process if nobody closes it.",
        )
    with lend_target(interface, AttachType.TCX_INGRESS, operation) as index, program._fd_handle() as fd:
        attachment = _Filter(index, fd, point, parent, handle, priority)

        def attach() -> None:
            if (result := attachment.attach(fd, -1)) < 0:
                raise _refusal(result, operation, where, index)

        owner = hold(attachment, attach)
    link = TcFilter._of_attachment(owner)
    link.handle, link.priority = attachment.options.handle, attachment.options.priority
    return link


@dataclass(frozen=True)
class TcFilterInfo:
    """A filter of traffic control: its `handle` and `priority`, and the `program_id` of its program."""

    handle: int
    priority: int
    program_id: int


def query_tc(
    interface: str | int,
    *,
    attach_point: TcAttachPoint = TcAttachPoint.INGRESS,
    parent: int = 0,
    handle: int,
    priority: int,
) -> TcFilterInfo:
    """What a filter of a device's qdisc runs, whoever attached it.

    Args:
        interface, attach_point, parent: as for `attach_tc`.
        handle: the filter's handle, and
        priority: its priority, as `TcFilter` has them and `tc filter show` prints them.

    Raises:
        NotFoundError: there is no such device or filter.
        BpfError: the kernel refused.

    libbpf: bpf_tc_query.
    """
    point = TcAttachPoint(attach_point)
    _require_numbers(point, parent, handle, priority)
    if not handle or not priority:
        raise ValueError("handle and priority name a filter, and are not 0")
    operation, where = "query a filter of", describe_target(interface)
    with lend_target(interface, AttachType.TCX_INGRESS, operation) as index:
        hook, options = _hook(index, point, parent), _options(handle, priority)
        result = lib.bpf_tc_query(hook, options)
    # Without the qdisc, or in one that takes no filters, there is none either.
    if result in (-errno.ENOENT, -errno.EINVAL, -errno.EOPNOTSUPP):
        hint = f"There is no filter {handle:#x} of priority {priority} there."
        raise from_errno(errno.ENOENT, operation, where, hint=hint)
    if result < 0:
        raise _refusal(result, operation, where, index)
    return TcFilterInfo(options.handle, options.priority, options.prog_id)


def _hook(index: int, point: TcAttachPoint, parent: int) -> CData:
    hook = ffi.new("struct bpf_tc_hook *")
    hook.sz = ffi.sizeof("struct bpf_tc_hook")
    hook.ifindex, hook.attach_point, hook.parent = index, point, parent
    return hook


def _options(handle: int, priority: int) -> CData:
    options = ffi.new("struct bpf_tc_opts *")
    options.sz = ffi.sizeof("struct bpf_tc_opts")
    options.handle, options.priority = handle, priority
    return options


_HINTS = {
    errno.EEXIST: "There is a filter with this handle and priority, or another root qdisc at that place.",
    errno.ENOENT: "This kernel has no clsact (CONFIG_NET_SCH_INGRESS, module sch_ingress).",
    errno.EOPNOTSUPP: "The qdisc takes no filters.",
}


def _refusal(result: int, operation: str, where: str, index: int) -> BpfError:
    error = from_errno(-result, operation, where, hint=_HINTS.get(-result, ""))
    return or_no_interface(error, index)


def _require_numbers(point: TcAttachPoint, parent: int, handle: int, priority: int) -> None:
    if (point == TcAttachPoint.CUSTOM) != bool(parent):
        raise ValueError("parent is given if and only if attach_point is CUSTOM")
    for name, value, bits in (("parent", parent, 32), ("handle", handle, 32), ("priority", priority, 16)):
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{name} is a number of {bits} bits, not {value}")


class _Filter(NetlinkAttachment):
    def __init__(
        self, index: int, program_fd: int, point: TcAttachPoint, parent: int, handle: int, priority: int
    ) -> None:
        super().__init__(index, program_fd)
        self.hook = _hook(index, point, parent)
        self.options = _options(handle, priority)

    def _add_qdisc(self) -> int:
        """Adds the clsact qdisc if the device has none. Returns 0 or -errno."""
        if self.hook.attach_point == TcAttachPoint.CUSTOM:
            return 0
        result = lib.bpf_tc_hook_create(self.hook)
        return 0 if result == -errno.EEXIST else result

    def attach(self, program_fd: int, old_fd: int) -> int:
        options = self._which()
        options.prog_fd = program_fd
        if old_fd < 0:
            if (result := self._add_qdisc()) < 0:
                return result
        elif self._is_there(old_fd):
            options.flags = _REPLACE
        else:
            return -errno.ENOENT
        # Before the call, which writes the filter's numbers: a signal handler may raise when it returns.
        self.options = options
        return lib.bpf_tc_attach(self.hook, options)

    def _which(self) -> CData:
        """Options that name the filter by its numbers, 0 for those that the kernel is to choose."""
        return _options(self.options.handle, self.options.priority)

    def detach(self) -> int:
        if not self._is_there(self.program_fd):
            return -errno.ENOENT
        return lib.bpf_tc_detach(self.hook, self._which())

    def _is_there(self, program_fd: int) -> bool:
        """Whether the filter still runs this program: its number may be another's by now."""
        options = self._which()
        return lib.bpf_tc_query(self.hook, options) >= 0 and options.prog_id == program_id(program_fd)
