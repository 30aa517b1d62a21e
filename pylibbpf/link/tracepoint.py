# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching to kernel tracepoints."""

from __future__ import annotations

import errno
import os

from .._native import c_string, ffi, lib
from ..enums import ProgramType
from ..errors import BpfError, NotFoundError
from ..suggestions import close_matches
from .carrier import attach_by_libbpf
from .create import Attachable, require_program
from .link import Link
from .perf_event import explain, instead, refused_the_program, require_number

# Where libbpf looks (libbpf.c:tracefs_path).
_EVENTS = ("/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events")


def attach_tracepoint(program: Attachable, category: str, name: str, *, cookie: int = 0) -> Link:
    """Attaches a program to a tracepoint.

    Args:
        program: a loaded `TracePoint`, of any origin.
        category: the tracepoint's category, "syscalls".
        name: its name in there, "sys_enter_openat".
        cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).

    Returns:
        A `PerfEventLink`; before 5.15 an attachment without a link. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type.
        NotFoundError: there is no such tracepoint, or tracefs is not mounted.
        ExistsError: the program is attached to it already.
        NotSupportedError: this kernel has no cookies for it.
        PermissionDeniedError: without CAP_PERFMON, or under lockdown.
        BpfError: the program reads more than the tracepoint has.

    libbpf: bpf_program__attach_tracepoint_opts (4.7).
    """
    require_program(program, ProgramType.TRACEPOINT)
    parts = _part(category, "category"), _part(name, "name")
    options = ffi.new("struct bpf_tracepoint_opts *")
    options.sz = ffi.sizeof("struct bpf_tracepoint_opts")
    options.bpf_cookie = require_number(cookie, "cookie")
    return attach_by_libbpf(
        program,
        lib.call_bpf_program__attach_tracepoint_opts,
        *parts,
        options,
        operation=f"attach program '{program.name}' to tracepoint",
        subject=f"'{category}/{name}'",
        explain=lambda error: explain_tracepoint(error, category, name, cookie=cookie),
    )


def _part(value: str, what: str) -> bytes:
    """A name of a directory in tracefs."""
    encoded = c_string(value, what)
    if not encoded or b"/" in encoded or encoded.startswith(b"."):
        raise ValueError(f"{what} must be the name of a directory in {_EVENTS[0]}: {value!r}")
    return encoded


def explain_tracepoint(error: BpfError, category: str, name: str, *, cookie: int = 0) -> BpfError:
    """What a refusal to attach to a tracepoint means."""
    if isinstance(error, NotFoundError):
        error.hint = _missing(category, name)
    elif error.errno == errno.EACCES and refused_the_program(error):
        hint = (
            "The program reads beyond what this tracepoint records: its `format` in tracefs has the fields."
        )
        return instead(error, BpfError, errno.EACCES, hint)
    return explain(error, cookie=cookie)


def _missing(category: str, name: str) -> str:
    events = next((path for path in _EVENTS if os.path.isdir(path)), None)
    if events is None:
        return "tracefs is not mounted: `mount -t tracefs tracefs /sys/kernel/tracing`."
    categories = _names(events)
    if category not in categories:
        return f"There is no category '{category}' in {events}.{_like(category, categories)}"
    names = _names(f"{events}/{category}")
    if name not in names:
        return f"There is no '{name}' in {events}/{category}.{_like(name, names)}"
    return ""


def _names(directory: str) -> list[str]:
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if entry.is_dir()]


def _like(name: str, candidates: list[str]) -> str:
    matches = close_matches(name, candidates)
    return f" There is {', '.join(matches)}." if matches else ""
