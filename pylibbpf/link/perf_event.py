# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching to perf events; and what kprobes, uprobes and tracepoints, which are that too, have in common."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any

from .._native import NULL, check, ffi, lib, libbpf_version
from ..enums import AttachType, LinkType, ProbeAttachMode, ProgramType
from ..errors import (
    BpfError,
    Error,
    NotSupportedError,
    PermissionDeniedError,
    ProgramTypeError,
    from_errno,
)
from ..fds import HasFileno, lend_fd
from ..permissions import perf_event_paranoid
from ..since import lacks
from .create import Attachable, create_link, link_options, require_program
from .link import Link


class PerfEventLink(Link):
    """A program on a perf event. Before 5.15 an attachment without a link: `is_bpf_link` is False."""


def attach_perf_event(program: Attachable, event: int | HasFileno, *, cookie: int = 0) -> Link:
    """Attaches a program to a perf event that is open, and turns the event on.

    `PerfEvents` opens events, attaches to all of them, and closes all.

    Args:
        program: a loaded `PerfEvent`, of any origin.
        event: the event's fd, or an object with one, from `open_perf_event`. The link keeps the
            event alive: the caller may close this fd.
        cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).

    Returns:
        A `PerfEventLink`; before 5.15 an attachment without a link. The caller owns it. Without a
        link the event is turned off when it is closed, and keeps its program as long as the
        caller keeps the event.

    Raises:
        ProgramTypeError: the program is of another type.
        TypeError: the fd is of something else.
        ExistsError: the event has a program already.
        NotSupportedError: this kernel has no cookies for it.
        PermissionDeniedError: without CAP_PERFMON, or under lockdown.

    libbpf: bpf_link_create (5.15), bpf_program__attach_perf_event_opts (4.9).
    """
    require_program(program, ProgramType.PERF_EVENT)
    options = NULL
    if require_number(cookie, "cookie"):
        options = link_options()
        options.perf_event.bpf_cookie = cookie
    with lend_fd(event) as fd:
        where = f"the perf event of fd {fd}"
        try:
            link = create_link(
                program, fd, AttachType.PERF_EVENT, options, where=where, link_type=LinkType.PERF_EVENT
            )
        except BpfError as error:
            _require_event(fd)
            if not cookie and lacks(LinkType.PERF_EVENT):
                return _attach_by_ioctl(program, fd, where)
            error.hint = error.hint or _HINTS.get(error.errno or 0, "")
            raise
        try:
            check(lib.glue_perf_event_enable(fd), "turn on", where)
        except BaseException:
            link.close()
            raise
    return link


_HINTS = {
    errno.EEXIST: "The event has a program already.",
    errno.EINVAL: "Programs run on events that interrupt the CPU or are software's, not on all.",
}


def _attach_by_ioctl(program: Attachable, fd: int, where: str) -> Link:
    """As kernels before 5.15 do it. libbpf closes its fd of the event with the attachment."""
    from .carrier import attach_by_libbpf

    options = ffi.new("struct bpf_perf_event_opts *")
    options.sz = ffi.sizeof("struct bpf_perf_event_opts")
    duplicate = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)

    def explain(error: BpfError) -> BpfError:
        error.hint = error.hint or _HINTS.get(error.errno or 0, "")
        return error

    try:
        return attach_by_libbpf(
            program,
            lib.call_bpf_program__attach_perf_event_opts,
            duplicate,
            options,
            operation=f"attach program '{program.name}' to",
            subject=where,
            explain=explain,
        )
    except Error:
        os.close(duplicate)
        raise


def _require_event(fd: int) -> None:
    try:
        target = os.readlink(f"/proc/self/fd/{fd}")
    except OSError as error:
        raise from_errno(errno.EBADF, "attach to", f"fd {fd}") from error
    if target != "anon_inode:[perf_event]":
        raise TypeError(f"fd {fd} is of '{target}', not of a perf event")


# --- what the arguments must be ------------------------------------------------------------

# Of type KPROBE as well, but attached by links of their own.
_MULTI = (
    AttachType.TRACE_KPROBE_MULTI,
    AttachType.TRACE_KPROBE_SESSION,
    AttachType.TRACE_UPROBE_MULTI,
    AttachType.TRACE_UPROBE_SESSION,
)


def require_probe(program: Attachable) -> None:
    """Raises ProgramTypeError for what is no program for a single kprobe or uprobe."""
    require_program(program, ProgramType.KPROBE)
    attach_type = program.expected_attach_type
    if attach_type is not None and attach_type in _MULTI:
        raise ProgramTypeError(
            f"program '{program.name}' was loaded for many functions at once: it attaches as "
            f"{attach_type.name}, by another function"
        )


def require_number(value: Any, what: str, bits: int = 64) -> int:
    """An argument that the kernel takes as an unsigned number, checked."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be an int, not {type(value).__name__}")
    if not 0 <= value < 1 << bits:
        raise OverflowError(f"{what} must be from 0 to 2**{bits} - 1: {value}")
    return value


def require_mode(attach_mode: ProbeAttachMode, cookie: int) -> ProbeAttachMode:
    """The attach mode, checked: cookies are a matter of links."""
    mode = ProbeAttachMode(attach_mode)
    if cookie and mode in (ProbeAttachMode.LEGACY, ProbeAttachMode.PERF):
        raise ValueError(f"attach_mode {mode.name} makes no link, and only a link takes a cookie")
    return mode


# --- what the kernel's answers mean ----------------------------------------------------------

# enum libbpf_errno: LIBBPF_ERRNO__FORMAT, for what libbpf says in other words where a file is no ELF file.
NO_ELF = 4001


def refused_the_program(error: BpfError) -> bool:
    """Whether there was a perf event, and the kernel did not take the program for it.

    Only the words differ (libbpf.c:bpf_program__attach_perf_event_opts).
    """
    return any("perf_event FD" in message for message in error.messages)


def has_source(name: str) -> bool:
    """Whether the kernel was built with a kind of perf event, "kprobe" or "uprobe"."""
    return os.path.exists(f"/sys/bus/event_source/devices/{name}")


def instead(error: BpfError, kind: type[BpfError], number: int, hint: str) -> BpfError:
    """The same refusal as an error of another class, or with another number."""
    return kind(number, error.operation, error.subject, messages=error.messages, hint=hint)


def explain(error: BpfError, *, cookie: int = 0, mode: ProbeAttachMode = ProbeAttachMode.DEFAULT) -> BpfError:
    """The error with a hint, for what all perf events have in common."""
    old = too_old("attach_mode", (1, 2), mode != ProbeAttachMode.DEFAULT)
    if error.errno == errno.EINVAL and old:
        return instead(error, NotSupportedError, errno.EOPNOTSUPP, old)
    if isinstance(error, NotSupportedError) and not error.hint:
        error.hint = _what_is_missing(cookie, mode)
    elif isinstance(error, PermissionDeniedError):
        error.hint = f"{error.hint} {perf_event_paranoid()}".strip()
    elif error.errno == errno.EEXIST:
        error.hint = "The kernel attaches a program to one event only once; load it a second time for that."
    elif error.errno == errno.E2BIG and refused_the_program(error):
        error.hint = "The kernel runs at most 64 programs on one event (BPF_TRACE_MAX_PROGS)."
    return error


def too_old(option: str, release: tuple[int, int], wanted: bool) -> str:
    """What to tell the user about an option that the libbpf in use does not know; "" if it does."""
    if not wanted or (lib.libbpf_major_version(), lib.libbpf_minor_version()) >= release:
        return ""
    since = ".".join(map(str, release))
    return f"{option} came with libbpf {since}, and this pylibbpf uses {libbpf_version()}."


def _what_is_missing(cookie: int, mode: ProbeAttachMode) -> str:
    if cookie:
        return "Cookies of perf events came with Linux 5.15."
    if mode == ProbeAttachMode.LINK:
        return "Links of perf events came with Linux 5.15."
    if mode == ProbeAttachMode.PERF:
        return "Probes by perf event came with Linux 4.17."
    return ""
