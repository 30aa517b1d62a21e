# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching to many functions of a program or library at once, by uprobe.multi and uprobe.session."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import sysconfig
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._native import NULL, c_string, ffi, lib, path_bytes
from ..elf import exported_functions
from ..enums import AttachType, LinkType
from ..errors import BpfError, FormatError, NotFoundError, NotSupportedError
from ..since import why_not
from .carrier import attach_by_libbpf
from .create import Attachable
from .link import Link
from .multi import (
    CStrings,
    choose,
    cookie_array,
    count,
    is_session,
    require_one_each,
    unsigned_longs,
)
from .perf_event import NO_ELF, instead, too_old
from .uprobe import missing_in_file, process_number, said

if TYPE_CHECKING:
    from .._native import StrPath
    from .info import UProbeMultiInfo


class UProbeMultiLink(Link):
    """A program on many functions of a program or library."""

    if TYPE_CHECKING:

        def info(self) -> UProbeMultiInfo: ...


def attach_uprobe_multi(
    program: Attachable,
    path: StrPath,
    pattern: str | None = None,
    *,
    symbols: Sequence[str] | None = None,
    offsets: Sequence[int] | None = None,
    reference_counter_offsets: Sequence[int] | None = None,
    cookies: Sequence[int] | None = None,
    pid: int | None = None,
    on_return: bool = False,
    session: bool = False,
) -> Link:
    """Attaches a program to many functions of a program or library at once.

    Args:
        program: a loaded `UProbeMulti` or `UProbeSession`, of any origin.
        path: the file; a name without a slash is looked up in the directories of libraries
            ("libc.so.6") or of programs ("bash").
        pattern: the functions by their names, where * stands for any text and ? for any
            character. Or
        symbols: the functions by their names; or
        offsets: instructions, each in bytes from the beginning of the file.
        reference_counter_offsets: for each of symbols or offsets, where in the file it has a
            counter of those who listen (a USDT semaphore), in bytes; 0 for none.
        cookies: for each of symbols or offsets a number that the program gets from
            bpf_get_attach_cookie().
        pid: one process, 0 for this one; by default every process that runs the file.
        on_return: run when they return, not when they are entered.
        session: run for both; a `UProbeSession` always does (6.13).

    Returns:
        A `UProbeMultiLink`, which the caller owns.

    Raises:
        ProgramTypeError: the program is of another type, or for one function at a time.
        ValueError: not exactly one of pattern, symbols and offsets, or options that exclude each other.
        NotFoundError: there is no such file, or no such function in it.
        FormatError: the file is no ELF file.
        NotSupportedError: this kernel has no uprobe.multi (6.6), or no sessions.
        PermissionDeniedError: without CAP_PERFMON, or under lockdown.
        BpfError: several functions of the file are called so, there is no such process, or an
            offset is not in the file.

    libbpf: bpf_program__attach_uprobe_multi (6.6; libbpf 1.3).
    """
    session = is_session(program, session, AttachType.TRACE_UPROBE_MULTI, AttachType.TRACE_UPROBE_SESSION)
    given = choose(cookies, pattern=pattern, symbols=symbols, offsets=offsets)
    if on_return and session:
        raise ValueError("a session runs on entry and on return: on_return is for others")
    if reference_counter_offsets is not None:
        if pattern is not None:
            raise ValueError("reference_counter_offsets are for a list, not for a pattern")
        require_one_each(reference_counter_offsets, given, "reference_counter_offsets", "the places")
    encoded = path_bytes(path)
    if not encoded:
        raise ValueError("path must not be empty")
    encoded = _found(encoded)

    def attach(symbols: Sequence[str] | None, offsets: Sequence[int] | None) -> Link:
        options = ffi.new("struct bpf_uprobe_multi_opts *")
        options.sz = ffi.sizeof("struct bpf_uprobe_multi_opts")
        options.retprobe = on_return
        options.session = session
        # What options points to lives as long as these names.
        names = CStrings(symbols, "symbol")
        numbers = (unsigned_longs(offsets), unsigned_longs(reference_counter_offsets), cookie_array(cookies))
        options.cnt = 0 if pattern is not None else len(given)
        options.syms = names.array
        options.offsets, options.ref_ctr_offsets, options.cookies = numbers
        return attach_by_libbpf(
            program,
            lib.call_bpf_program__attach_uprobe_multi,
            process_number(pid),
            encoded,
            NULL if pattern is None else c_string(pattern, "pattern"),
            options,
            operation=f"attach program '{program.name}' to {'uretprobe' if on_return else 'uprobe'}.multi",
            subject=f"'{os.fsdecode(encoded)}:{pattern or count(len(given), 'place')}'",
            explain=lambda error: explain_uprobe_multi(
                error, os.fsdecode(encoded), pattern, symbols=symbols, pid=pid, session=session
            ),
        )

    try:
        return attach(symbols, offsets)
    except NotFoundError:
        exported = None if symbols is None else _exported(encoded, symbols)
        if exported is None:
            raise
    return attach(None, exported)


def _exported(path: bytes, symbols: Sequence[str]) -> list[int] | None:
    """The offsets of functions that a file exports; None unless it has all of them, once.

    libbpf 1.7 finds no symbol of a list in a stripped file: what it returns is that the
    symbol table is missing (elf.c:elf_resolve_syms_offsets).
    """
    try:
        with open(path, "rb") as file:
            functions = exported_functions(file.read())
    except (OSError, struct.error):
        return None
    offsets = [functions.get(symbol, set()) for symbol in symbols]
    return [offset for (offset,) in offsets] if all(len(found) == 1 for found in offsets) else None


def _found(path: bytes) -> bytes:
    """The path of a library or program that is given by its name.

    libbpf looks in the same places, but not for a list (libbpf.c:resolve_full_path).
    """
    if b"/" in path:
        return path
    if path.endswith(b".so") or b".so." in path:
        return _in_library_directories(path)
    found = shutil.which(os.fsdecode(path), path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")
    return os.fsencode(found) if found else path


def _in_library_directories(name: bytes) -> bytes:
    directories = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    directories += ["/usr/lib64", "/usr/lib", f"/lib/{sysconfig.get_config_var('MULTIARCH')}"]
    paths = (os.path.join(os.fsencode(directory), name) for directory in directories if directory)
    return next((path for path in paths if os.access(path, os.R_OK)), name)


def explain_uprobe_multi(
    error: BpfError,
    path: str,
    pattern: str | None,
    *,
    symbols: Sequence[str] | None = None,
    pid: int | None = None,
    session: bool = False,
) -> BpfError:
    """What a refusal to attach to many functions of a file means."""
    missing = (session and why_not(AttachType.TRACE_UPROBE_SESSION)) or why_not(LinkType.UPROBE_MULTI)
    if not missing and error.errno == errno.EINVAL:
        # Before the kernel sees it, a libbpf that does not know the option refuses it.
        missing = too_old("session", (1, 6), session)
    if missing:
        return instead(error, NotSupportedError, errno.EOPNOTSUPP, missing)
    if said(error, "ambiguous match"):
        hint = f"Several functions of '{path}' are called so: give offsets."
        return instead(error, BpfError, errno.EADDRNOTAVAIL, hint)
    if isinstance(error, FormatError) or said(error, "failed to get ehdr"):
        hint = f"Symbols are looked up in an ELF file, which '{path}' is not."
        return instead(error, FormatError, NO_ELF, hint)
    if isinstance(error, NotFoundError):
        wanted = pattern if pattern is not None else " or ".join(symbols or ()) or None
        there = os.path.exists(_found(os.fsencode(path)))
        error.hint = missing_in_file(error, path, wanted if there else None)
    elif error.errno == errno.ESRCH:
        error.hint = f"There is no process {pid}."
    elif error.errno in (errno.EINVAL, errno.EBADF):
        error.hint = (
            "The program must have been loaded for many functions at once, and for a session if it is one; "
            "the file must be a regular one, with an instruction at each offset."
        )
    elif error.errno == errno.E2BIG:
        error.hint = "The kernel takes at most 2**20 functions."
    return error
