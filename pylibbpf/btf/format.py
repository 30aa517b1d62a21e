# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Values as libbpf writes them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from .._native import ffi, lib
from ..errors import NotSupportedError
from .dump import written
from .types import MODIFIERS, Array, Composite, DataSec, Enum, Typedef, malformed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .btf import Btf, Buffer
    from .types import Member, Type, VarSecInfo

# libbpf reads a whole int around a bitfield, also where that ends behind the struct; 1.1 refuses if it ends
# behind the given bytes (btf_dump.c:btf_dump_get_bitfield_value). So there are zeroes for both.
_BEHIND = 16
_ENUM_SIZES = (1, 2, 4, 8)
# No alignment of an enum is larger.
_BOUND = 8


def format_data(btf: Btf, of: Type, data: Buffer, *, compact: bool, names: bool) -> str:
    """A value of a type as libbpf writes it."""
    size = of.size
    given = memoryview(data).nbytes
    if given != size:
        raise ValueError(f"{of} takes {size} bytes, not {given}")
    btf._check()
    if isinstance(of, DataSec):
        _refuse_outside(of)
    _refuse_enums_off_bounds(of)
    copy = ffi.new("char[]", size + 2 * _BEHIND)
    ffi.memmove(copy, data, size)
    with btf._handle as pointer:
        return written(
            "format a value of",
            f"'{of}'",
            lib.glue_btf_dump_data,
            pointer,
            of.id,
            copy,
            size + _BEHIND,
            compact,
            not names,
        )


def _refuse_outside(section: DataSec) -> None:
    """Raises FormatError for a variable outside of its section: libbpf would read it there."""
    for variable in section.variables:
        if variable.offset + section.btf.size_of(variable.type) > section.size:
            raise malformed(f"type [{section.id}]", f"variable '{variable.name}' lies outside of its section")


def _refuse_enums_off_bounds(of: Type) -> None:
    """Raises NotSupportedError for a packed struct with an enum that libbpf would write as 0.

    Where an enum is not aligned, libbpf 1.7 reads it as a bitfield of 0 bits, and shifts by 64
    (btf_dump.c:btf_dump_get_enum_value). One of 0 or 3 bytes may never be aligned.
    """
    if any(size not in _ENUM_SIZES or place % size for place, size in _enums(of)):
        raise NotSupportedError(
            errno.EOPNOTSUPP,
            "format a value of",
            f"'{of}'",
            hint="libbpf writes 0 for an enum that is not aligned, as in a packed struct, or has a size that "
            "is not an integer's. The value of codec(...).decode(...) has it.",
        )


def _enums(of: Type) -> set[tuple[int, int]]:
    """Where a type has enums, bitfields left out: each place modulo 8, and its bytes."""
    known = of.btf._enum_places
    found = known.get(of.id)
    if found is None:
        known[of.id] = found = set(_enums_inside(of))
    return found


def _enums_inside(of: Type) -> Iterator[tuple[int, int]]:
    if isinstance(of, Enum):
        yield 0, of.size
    elif isinstance(of, (*MODIFIERS, Typedef)):
        yield from _enums(of.type)
    elif isinstance(of, Array):
        stride = of.btf.size_of(of.type)
        for place, size in _enums(of.type):
            for index in range(min(of.length, _BOUND)):
                yield (place + index * stride) % _BOUND, size
    elif isinstance(of, Composite):
        yield from _enums_of([member for member in of.members if not member.bitfield_size])
    elif isinstance(of, DataSec):
        yield from _enums_of(of.variables)


def _enums_of(parts: Iterable[Member | VarSecInfo]) -> Iterator[tuple[int, int]]:
    for part in parts:
        for place, size in _enums(part.type):
            yield (place + part.offset) % _BOUND, size
