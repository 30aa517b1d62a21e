# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of perf events: kprobe, uprobe, tracepoint, perf_event."""

from __future__ import annotations

import errno
import os
from typing import Any

from .._native import lib, libbpf_version
from ..enums import AttachType, ProbeAttachMode, ProgramType
from ..errors import BpfError, NotSupportedError, PermissionDeniedError, ProgramTypeError
from ..permissions import perf_event_paranoid
from .create import Attachable, require_program
from .link import Link


class PerfEventLink(Link):
    """A program on a perf event. Before 5.15 an attachment without a link: `is_bpf_link` is False."""


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
    if error.errno == errno.EINVAL and mode != ProbeAttachMode.DEFAULT and _libbpf() < (1, 2):
        hint = f"attach_mode came with libbpf 1.2, and this pylibbpf uses {libbpf_version()}."
        return instead(error, NotSupportedError, errno.EOPNOTSUPP, hint)
    if isinstance(error, NotSupportedError) and not error.hint:
        error.hint = _what_is_missing(cookie, mode)
    elif isinstance(error, PermissionDeniedError):
        error.hint = f"{error.hint} {perf_event_paranoid()}".strip()
    elif error.errno == errno.EEXIST:
        error.hint = "The kernel attaches a program to one event only once; load it a second time for that."
    elif error.errno == errno.E2BIG and refused_the_program(error):
        error.hint = "The kernel runs at most 64 programs on one event (BPF_TRACE_MAX_PROGS)."
    return error


def _libbpf() -> tuple[int, int]:
    return lib.libbpf_major_version(), lib.libbpf_minor_version()


def _what_is_missing(cookie: int, mode: ProbeAttachMode) -> str:
    if cookie:
        return "Cookies of perf events came with Linux 5.15."
    if mode == ProbeAttachMode.LINK:
        return "Links of perf events came with Linux 5.15."
    if mode == ProbeAttachMode.PERF:
        return "Probes by perf event came with Linux 4.17."
    return ""
