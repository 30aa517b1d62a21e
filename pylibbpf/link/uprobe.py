# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching to functions of programs and libraries by uprobe."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from .._native import NULL, c_string, ffi, lib, path_bytes
from ..enums import ProbeAttachMode
from ..errors import BpfError, FormatError, NotFoundError, NotSupportedError
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

if TYPE_CHECKING:
    from .._libbpf import CData
    from .._native import StrPath


def attach_uprobe(
    program: Attachable,
    path: StrPath,
    *,
    symbol: str | None = None,
    offset: int = 0,
    pid: int | None = None,
    cookie: int = 0,
    reference_counter_offset: int = 0,
    attach_mode: ProbeAttachMode = ProbeAttachMode.DEFAULT,
) -> Link:
    """Attaches a program to a function of a program or library, or to an instruction in it.

    Args:
        program: a loaded `UProbe`, of any origin.
        path: the file; a name without a slash is looked up in the directories of libraries
            ("libc.so.6") or of programs ("bash"); "FILE.zip!/LIBRARY" for one inside an archive.
        symbol: the function, as its symbol tables have it; "name@VERSION" for one of several.
        offset: bytes from the symbol, or from the beginning of the file if there is none.
        pid: one process, 0 for this one; by default every process that runs the file.
        cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).
        reference_counter_offset: where in the file the probe has a counter of those who
            listen (a USDT semaphore), in bytes; 0 for none (4.20).
        attach_mode: how; by default as well as the kernel can.

    Returns:
        A `PerfEventLink`; before 5.15, and with attach_mode LEGACY or PERF, an attachment
        without a link. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type, or for many functions at once.
        TypeError: neither symbol nor offset says where.
        ValueError: a name or number that cannot be; a cookie with an attach_mode that takes none.
        NotFoundError: there is no such file, or no such function in it.
        FormatError: the file is no ELF file.
        NotSupportedError: this kernel has no uprobes, cookies, or attach_mode of that kind.
        PermissionDeniedError: without CAP_PERFMON, or under lockdown.
        BpfError: several functions of the file are called so, there is no such process, or
            the offset is not in the file.

    libbpf: bpf_program__attach_uprobe_opts (4.3; by symbol libbpf 0.8).
    """
    return _attach(program, path, False, symbol, offset, pid, cookie, reference_counter_offset, attach_mode)


def attach_uretprobe(
    program: Attachable,
    path: StrPath,
    *,
    symbol: str | None = None,
    offset: int = 0,
    pid: int | None = None,
    cookie: int = 0,
    attach_mode: ProbeAttachMode = ProbeAttachMode.DEFAULT,
) -> Link:
    """Attaches a program to the return of a function of a program or library.

    Args:
        program: a loaded `URetProbe`, of any origin.
        path: the file, as for `attach_uprobe`.
        symbol: the function, by its name.
        offset: the function's entry instead, in bytes from the beginning of the file.
        pid: one process, 0 for this one; by default every process that runs the file.
        cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).
        attach_mode: how; by default as well as the kernel can.

    Returns and raises what `attach_uprobe` does.

    libbpf: bpf_program__attach_uprobe_opts (4.3; by symbol libbpf 0.8).
    """
    if symbol is not None and offset:
        raise ValueError("a function's return is probed from its entry: by symbol or by offset")
    return _attach(program, path, True, symbol, offset, pid, cookie, 0, attach_mode)


def _attach(
    program: Attachable,
    path: StrPath,
    on_return: bool,
    symbol: str | None,
    offset: int,
    pid: int | None,
    cookie: int,
    reference_counter_offset: int,
    attach_mode: ProbeAttachMode,
) -> Link:
    require_probe(program)
    options = ffi.new("struct bpf_uprobe_opts *")
    options.sz = ffi.sizeof("struct bpf_uprobe_opts")
    options.bpf_cookie = require_number(cookie, "cookie")
    # The kernel keeps it in half a word of the event's attributes.
    options.ref_ctr_offset = require_number(reference_counter_offset, "reference_counter_offset", 32)
    options.retprobe = on_return
    options.attach_mode = mode = require_mode(attach_mode, cookie)
    encoded = _file(path, mode)
    name = _symbol(symbol, require_number(offset, "offset"))
    options.func_name = name
    if mode == ProbeAttachMode.LEGACY and reference_counter_offset:
        raise ValueError("attach_mode LEGACY takes no reference_counter_offset")
    kind = "uretprobe" if on_return else "uprobe"
    place = ":".join(filter(None, (os.fsdecode(encoded), symbol, f"{offset:#x}" if offset else "")))
    return attach_by_libbpf(
        program,
        lib.call_bpf_program__attach_uprobe_opts,
        process_number(pid),
        encoded,
        offset,
        options,
        operation=f"attach program '{program.name}' to {kind}",
        subject=f"'{place}'",
        explain=lambda error: explain_uprobe(
            error, os.fsdecode(encoded), symbol, pid=pid, cookie=cookie, mode=mode
        ),
    )


def _file(path: StrPath, mode: ProbeAttachMode) -> bytes:
    encoded = path_bytes(path)
    if not encoded:
        raise ValueError("path must not be empty")
    if mode == ProbeAttachMode.LEGACY and encoded.split() != [encoded]:
        # It is part of a line in uprobe_events.
        raise ValueError(f"attach_mode LEGACY takes no path with white space: {path!r}")
    return encoded


def _symbol(symbol: str | None, offset: int) -> CData:
    """The symbol as a C string that lives as long as the caller keeps it; NULL for none."""
    if symbol is None:
        if not offset:
            raise TypeError("symbol or offset must say where in the file")
        return NULL
    encoded = c_string(symbol, "symbol")
    if not encoded:
        raise ValueError("symbol must not be empty")
    return ffi.new("char[]", encoded)


def process_number(pid: int | None) -> int:
    """libbpf's number for a process: -1 for every one."""
    return -1 if pid is None else require_number(pid, "pid", 31)


def explain_uprobe(
    error: BpfError,
    path: str,
    symbol: str | None,
    *,
    pid: int | None = None,
    cookie: int = 0,
    mode: ProbeAttachMode = ProbeAttachMode.DEFAULT,
) -> BpfError:
    """What a refusal to attach to a function of a file means."""
    if isinstance(error, FormatError):
        if said(error, "ambiguous match"):
            hint = f"Several functions of '{path}' are called '{symbol}': give symbol@VERSION, or an offset."
            return instead(error, BpfError, errno.EADDRNOTAVAIL, hint)
        error.hint = f"Symbols are looked up in an ELF file, which '{path}' is not."
    elif isinstance(error, NotFoundError):
        if not has_source("uprobe"):
            hint = "This kernel was built without uprobes (CONFIG_UPROBE_EVENTS)."
            return instead(error, NotSupportedError, errno.EOPNOTSUPP, hint)
        error.hint = missing_in_file(error, path, symbol)
    elif error.errno == errno.ESRCH:
        error.hint = f"There is no process {pid}."
    elif error.errno == errno.EINVAL and refused_the_program(error):
        error.hint = "The kernel takes no program here that was loaded for many functions at once."
    elif error.errno == errno.EINVAL:
        error.hint = "It takes a regular file, and an offset inside it, at the beginning of an instruction."
    return explain(error, cookie=cookie, mode=mode)


def said(error: BpfError, words: str) -> bool:
    """Whether libbpf gave a reason in such words."""
    return any(words in message for message in error.messages)


def missing_in_file(error: BpfError, path: str, symbol: str | None) -> str:
    """What is not there: the file, or a function in it."""
    if said(error, "failed to resolve full path"):
        library = path.endswith(".so") or ".so." in path
        searched = (
            "LD_LIBRARY_PATH and the system's library directories"
            if library
            else "PATH, /usr/bin and /usr/sbin"
        )
        return f"There is no '{path}' in {searched}: give its path."
    if symbol is not None and not said(error, "failed to open"):
        return (
            f"'{path}' has no function '{symbol}' in its symbol tables: C++ and Rust names stand there "
            "mangled, and a stripped file has only what it exports. Or give the offset."
        )
    return f"There is no file '{path}'."
