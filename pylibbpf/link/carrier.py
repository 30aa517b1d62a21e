# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching through the calls of libbpf that take a `struct bpf_program`, for programs that have none.

libbpf attaches kprobes, uprobes, tracepoints and perf events by its own struct of a
program, of which it uses the name, for its log, and the fd. A program that came from a
pin, an id or an fd, or that was loaded alone, has no such struct. It is lent one: that
of a trivial program in a private object, whose fd number is given to the real program.
The link keeps nothing of it (libbpf.c:struct bpf_link_perf), so that the private object
ends with the call.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .._native import NULL, call, check, create, ffi, lib
from ..errors import BpfError
from .create import Attachable, raise_explained
from .link import Link, link_fds

if TYPE_CHECKING:
    from .._libbpf import CData


def attach_by_libbpf(
    program: Attachable,
    function: Any,
    *arguments: Any,
    operation: str,
    subject: str,
    explain: Callable[[BpfError], BpfError],
) -> Link:
    """Attaches a program of any origin by a function of libbpf that takes a `struct bpf_program`.

    Args:
        program: the program.
        function: the call_ wrapper of the function that makes a `struct bpf_link`.
        arguments: its arguments after the program.
        operation: what is tried, for errors.
        subject: what it is tried on.
        explain: gives an error its hint, or the error that it should be.

    Returns:
        The link, which is the caller's.

    Raises:
        StateError: the program is not loaded.
        ClosedError: it is closed.
        BpfError: what libbpf or the kernel answered.
    """
    try:
        with _struct_of(program, operation, subject) as pointer:
            handle = create(
                function,
                pointer,
                *arguments,
                free=lib.bpf_link__destroy,
                fds=link_fds,
                operation=operation,
                subject=subject,
            )
    except BpfError as error:
        raise_explained(error, explain(error))
    return Link._of_pointer(handle)


@contextlib.contextmanager
def _struct_of(program: Attachable, operation: str, subject: str) -> Iterator[CData]:
    """The `struct bpf_program` of a loaded program, its own or a carrier's."""
    with program._fd_handle() as fd:
        obj = getattr(program, "_object", None)
        if obj is not None:
            with obj._turn():
                pointer = program._pointer  # type: ignore[attr-defined]
                # Loaded alone, it has an fd that libbpf does not know.
                if lib.bpf_program__fd(pointer) >= 0:
                    yield pointer
                    return
        with _carrier(program, fd, operation, subject) as pointer:
            yield pointer


@contextlib.contextmanager
def _carrier(program: Attachable, fd: int, operation: str, subject: str) -> Iterator[CData]:
    """The `struct bpf_program` of a trivial program, with the fd of the real one."""
    # libbpf's log names the program by this name, and the kernel takes no others.
    name = re.sub(r"[^A-Za-z0-9_.]", "_", program.name).encode()
    image = _object_with(name)
    with ffi.from_buffer(image) as buffer:
        handle = create(
            lib.call_bpf_object__open_mem,
            buffer,
            len(image),
            NULL,
            free=lib.bpf_object__close,
            fds=_program_fds,
            operation=operation,
            subject=subject,
        )
    try:
        with handle as obj:
            pointer = lib.bpf_object__next_program(obj, NULL)
            check(lib.bpf_program__set_type(pointer, program.type), operation, subject)
            call(lib.call_bpf_object__load, obj, operation=operation, subject=subject)
            # dup3 with O_CLOEXEC: the trivial program ends here.
            os.dup2(fd, lib.bpf_program__fd(pointer), inheritable=False)
            yield pointer
    finally:
        handle.close()


def _program_fds(obj: CData) -> list[int]:
    fd = lib.bpf_program__fd(lib.bpf_object__next_program(obj, NULL))
    return [fd] if fd >= 0 else []


# --- the smallest object that libbpf opens -------------------------------------------------

# r0 = 0; exit: struct bpf_insn, whose two register fields are 0 here in either byte order.
_INSTRUCTIONS = struct.pack("=BBhi", 0xB7, 0, 0, 0) + struct.pack("=BBhi", 0x95, 0, 0, 0)

# elf.h
_HEADER = struct.Struct("=4sBBB9xHHIQQQIHHHHHH")
_SECTION = struct.Struct("=IIQQQQIIQQ")
_SYMBOL = struct.Struct("=IBBHQQ")
_BYTE_ORDER = 1 if sys.byteorder == "little" else 2
_CLASS_64, _VERSION, _RELOCATABLE, _BPF = 2, 1, 1, 247
_PROGBITS, _SYMTAB, _STRTAB, _ALLOC_EXECINSTR = 1, 2, 3, 0x2 | 0x4
_GLOBAL_FUNCTION = 1 << 4 | 2


def _object_with(name: bytes) -> bytes:
    """A relocatable ELF object with one program: header, instructions, symbols, strings, section headers."""
    # The program's section is called as libbpf calls none, so that its type is set by hand.
    section_name = b"\0carrier\0"
    strings = section_name + name + b"\0"
    symbols = bytes(_SYMBOL.size) + _SYMBOL.pack(
        len(section_name), _GLOBAL_FUNCTION, 0, 1, 0, len(_INSTRUCTIONS)
    )
    at_symbols = _HEADER.size + len(_INSTRUCTIONS)
    at_strings = at_symbols + len(symbols)
    sections = (
        bytes(_SECTION.size)
        + _SECTION.pack(1, _PROGBITS, _ALLOC_EXECINSTR, 0, _HEADER.size, len(_INSTRUCTIONS), 0, 0, 8, 0)
        + _SECTION.pack(0, _SYMTAB, 0, 0, at_symbols, len(symbols), 3, 1, 8, _SYMBOL.size)
        + _SECTION.pack(0, _STRTAB, 0, 0, at_strings, len(strings), 0, 0, 1, 0)
    )
    padding = bytes(-(at_strings + len(strings)) % 8)
    header = _HEADER.pack(
        b"\x7fELF", _CLASS_64, _BYTE_ORDER, _VERSION,
        _RELOCATABLE, _BPF, _VERSION, 0, 0, at_strings + len(strings) + len(padding),
        0, _HEADER.size, 0, 0, _SECTION.size, len(sections) // _SECTION.size, 3,
    )  # fmt: skip
    return header + _INSTRUCTIONS + symbols + strings + padding + sections
