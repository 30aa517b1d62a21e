# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BTF as C source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._native import error_of, ffi, invoke, lib

if TYPE_CHECKING:
    from .btf import Btf
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
        return written("write BTF as C,", subject, lib.glue_btf_dump, pointer, type_id)


def written(operation: str, subject: str, function: Any, *arguments: Any) -> str:
    """The text that a function of the glue writes."""
    text = ffi.gc(ffi.new("struct glue_text *"), lib.glue_text_free)
    done = invoke(function, *arguments, text)
    if done.errno:
        raise error_of(done, operation, subject)
    return ffi.unpack(text.data, text.size).decode(errors="surrogateescape") if text.size else ""
