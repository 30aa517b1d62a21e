# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BTF as C source, and values as libbpf writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._native import error_of, ffi, invoke, lib
from .types import DataSec, malformed

if TYPE_CHECKING:
    from .btf import Btf, Buffer
    from .types import Type

# As bpftool has it around its vmlinux.h: accesses to these types are relocated
# to where the running kernel has the field (CO-RE).
_HEADER = """\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

"""
_FOOTER = """\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
"""


def c_header(btf: Btf) -> str:
    """Every type, as a header to compile BPF programs with."""
    return f"{_HEADER}{_dump(btf, 0, 'all types')}{_FOOTER}"


def c_dump(btf: Btf, of: Type) -> str:
    """One type, and what it needs."""
    # libbpf takes 0, which is void, for all types in our glue.
    return _dump(btf, of.id, f"'{of}'") if of.id else ""


def _dump(btf: Btf, type_id: int, subject: str) -> str:
    btf._check()
    with btf._handle as pointer:
        return _written("write BTF as C,", subject, lib.glue_btf_dump, pointer, type_id)


def format_data(btf: Btf, of: Type, data: Buffer, *, compact: bool, names: bool, zeroes: bool) -> str:
    """A value of a type as libbpf writes it."""
    size = of.size
    given = memoryview(data).nbytes
    if given != size:
        raise ValueError(f"{of} takes {size} bytes, not {given}")
    btf._check()
    if isinstance(of, DataSec):
        _refuse_outside(of)
    # libbpf reads a whole int around a bitfield, also at the end of a packed struct
    # (btf_dump.c:btf_dump_get_bitfield_value).
    copy = ffi.new("char[]", size + 16)
    ffi.memmove(copy, data, size)
    with btf._handle as pointer:
        return _written(
            "format a value of",
            f"'{of}'",
            lib.glue_btf_dump_data,
            pointer,
            of.id,
            copy,
            size,
            compact,
            not names,
            zeroes,
        )


def _refuse_outside(section: DataSec) -> None:
    """Raises FormatError for a variable outside of its section: libbpf would read it there."""
    for variable in section.variables:
        if variable.offset + section.btf.size_of(variable.type) > section.size:
            raise malformed(f"type [{section.id}]", f"variable '{variable.name}' lies outside of its section")


def _written(operation: str, subject: str, function: Any, *arguments: Any) -> str:
    text = ffi.gc(ffi.new("struct glue_text *"), lib.glue_text_free)
    done = invoke(function, *arguments, text)
    if done.errno:
        raise error_of(done, operation, subject)
    return ffi.unpack(text.data, text.size).decode(errors="surrogateescape") if text.size else ""
