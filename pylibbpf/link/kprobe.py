# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching to kernel functions by kprobe."""

from __future__ import annotations

import errno
import os
import re

from .._native import c_string, ffi, lib
from ..enums import ProbeAttachMode
from ..errors import BpfError, NotFoundError, NotSupportedError
from .carrier import attach_by_libbpf
from .create import Attachable
from .link import Link
from .perf_event import (
    explain,
    has_source,
    instead,
    refused_the_program,
    require_mode,
    require_number,
    require_probe,
)


def attach_kprobe(
    program: Attachable,
    function: str,
    *,
    offset: int = 0,
    cookie: int = 0,
    attach_mode: ProbeAttachMode = ProbeAttachMode.DEFAULT,
) -> Link:
    """Attaches a program to the entry of a kernel function, or to an instruction in it.

    Args:
        program: a loaded `KProbe`, of any origin.
        function: the function's name, as in /proc/kallsyms; "module:function" for one of a module.
        offset: bytes from its beginning to the beginning of an instruction.
        cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).
        attach_mode: how; by default as well as the kernel can.

    Returns:
        A `PerfEventLink`; before 5.15, and with attach_mode LEGACY or PERF, an attachment
        without a link. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type, or for many functions at once.
        ValueError: a name with white space; a cookie with an attach_mode that takes none.
        NotFoundError: there is no such function.
        NotSupportedError: this kernel has no kprobes, cookies, or attach_mode of that kind.
        PermissionDeniedError: without CAP_PERFMON, or under lockdown.
        BpfError: several functions are called so (6.6), the function may not be probed, or
            the offset is inside an instruction.

    libbpf: bpf_program__attach_kprobe_opts (4.1).
    """
    return _attach(program, function, False, offset, cookie, attach_mode)


def attach_kretprobe(
    program: Attachable,
    function: str,
    *,
    cookie: int = 0,
    attach_mode: ProbeAttachMode = ProbeAttachMode.DEFAULT,
) -> Link:
    """Attaches a program to the return of a kernel function. Otherwise as `attach_kprobe`.

    Args:
        program: a loaded `KRetProbe`, of any origin.
        function: the function's name, as in /proc/kallsyms; "module:function" for one of a module.
        cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).
        attach_mode: how; by default as well as the kernel can.

    libbpf: bpf_program__attach_kprobe_opts (4.1).
    """
    return _attach(program, function, True, 0, cookie, attach_mode)


def _attach(
    program: Attachable,
    function: str,
    on_return: bool,
    offset: int,
    cookie: int,
    attach_mode: ProbeAttachMode,
) -> Link:
    require_probe(program)
    encoded = _function_name(function)
    options = ffi.new("struct bpf_kprobe_opts *")
    options.sz = ffi.sizeof("struct bpf_kprobe_opts")
    options.bpf_cookie = require_number(cookie, "cookie")
    options.offset = require_number(offset, "offset")
    options.retprobe = on_return
    options.attach_mode = require_mode(attach_mode, cookie)
    kind = "kretprobe" if on_return else "kprobe"
    return attach_by_libbpf(
        program,
        lib.call_bpf_program__attach_kprobe_opts,
        encoded,
        options,
        operation=f"attach program '{program.name}' to {kind}",
        subject=f"'{function}{f'+{offset:#x}' if offset else ''}'",
        explain=lambda error: explain_kprobe(error, function, cookie=cookie, mode=attach_mode),
    )


def _function_name(function: str) -> bytes:
    encoded = c_string(function, "function")
    # White space would end the name in the text that attach_mode LEGACY writes to kprobe_events.
    if not encoded or encoded.split() != [encoded]:
        raise ValueError(f"function must be the name of a kernel function: {function!r}")
    return encoded


def explain_kprobe(
    error: BpfError, function: str, *, cookie: int = 0, mode: ProbeAttachMode = ProbeAttachMode.DEFAULT
) -> BpfError:
    """What a refusal to attach to a kernel function means."""
    if not has_source("kprobe") and isinstance(error, (NotFoundError, NotSupportedError)):
        hint = "This kernel was built without kprobes (CONFIG_KPROBE_EVENTS). Try fentry, or a tracepoint."
        return instead(error, NotSupportedError, errno.EOPNOTSUPP, hint)
    if isinstance(error, NotFoundError):
        error.hint = _missing(function)
    elif error.errno == errno.EADDRNOTAVAIL:
        error.hint = (
            f"Several functions of the kernel are called '{function}' (/proc/kallsyms), and a probe needs "
            "one: take one of another name, with an offset."
        )
    elif error.errno == errno.EILSEQ:
        error.hint = "The offset is inside an instruction; a probe stands at the beginning of one."
    elif error.errno == errno.EINVAL and refused_the_program(error):
        error.hint = (
            "The kernel takes no program here that is sleepable, was loaded for many functions at once, or "
            "overrides the result of a function that allows no error injection."
        )
    elif error.errno == errno.EINVAL:
        error.hint = (
            "Some functions may not be probed (/sys/kernel/debug/kprobes/blacklist), and an offset must be "
            "inside the function."
        )
    return explain(error, cookie=cookie, mode=mode)


def _missing(function: str) -> str:
    """What the kernel has instead of a function that it does not have."""
    others = _variants(function)
    if others:
        return f"The compiler made of it {', '.join(others)}."
    return (
        "It is not in /proc/kallsyms: another kernel calls it otherwise, or the compiler put it inside its "
        "callers. /sys/kernel/tracing/available_filter_functions has what there is."
    )


def _variants(function: str) -> list[str]:
    """Copies that the compiler made of a function: function.isra.0, function.constprop.0."""
    with open("/proc/kallsyms", "rb") as symbols:
        # Some 200,000 lines: not one by one.
        found = re.findall(rb" (%s\.\S+)" % re.escape(os.fsencode(function)), symbols.read())
    return sorted({os.fsdecode(name) for name in found})[:3]
