# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Fields by path, "se.vruntime", and the types of a map."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ..errors import NameNotFoundError
from .types import Array, Composite, Ptr, Type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..maps import Map
    from .btf import Btf
    from .types import Member


class FoundField(NamedTuple):
    """A field, as `Btf.field` finds it.

    Attributes:
        type: its type.
        bit_offset: where it begins in the struct that was asked for, in bits.
        bitfield_size: its width in bits if it is a bitfield, otherwise 0.
    """

    type: Type
    bit_offset: int
    bitfield_size: int

    @property
    def offset(self) -> int:
        """Where it begins, in bytes; for a bitfield, the byte that its first bit is in."""
        return self.bit_offset // 8

    @property
    def size(self) -> int:
        """Bytes of its type."""
        return self.type.size


class MapTypes(NamedTuple):
    """The types of a map's keys and values; None where the map says nothing."""

    key: Type | None
    value: Type | None


_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


def find_field(btf: Btf, of: Type, path: str) -> FoundField:
    """The field of a path."""
    if not isinstance(path, str):
        raise TypeError(f"the path of a field must be str, not {type(path).__name__}")
    found = FoundField(of, 0, 0)
    for name, index in _steps(path):
        within = btf.resolve(found.type)
        if name:
            found = _member(within, name, found, f"{of}.{path}")
        elif isinstance(within, Array) and (int(index) < within.length or not within.length):
            element = within.type
            found = FoundField(element, found.bit_offset + 8 * int(index) * element.size, 0)
        else:
            raise NameNotFoundError(f"field {of}.{path}: no element of {within}", f"[{index}]")
    return found


def _steps(path: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(path) or not path:
        step = _STEP.match(path, position)
        if step is None or path.startswith("."):
            raise ValueError(f"{path!r} is no path to a field, like 'se.vruntime' or 'comm[0]'")
        yield step[1] or "", step[2] or ""
        position = step.end()


def _member(within: Type, name: str, found: FoundField, whole: str) -> FoundField:
    members = list(_flattened(within, found.bit_offset))
    for member, bit_offset in members:
        if member.name == name:
            return FoundField(member.type, bit_offset, member.bitfield_size)
    names = [member.name for member, _ in members]
    shown = f"{within}, a pointer, which is not followed," if isinstance(within, Ptr) else f"{within}"
    raise NameNotFoundError(f"field {whole}: no member of {shown}", name, names)


def _flattened(of: Type, bit_offset: int, depth: int = 16) -> Iterator[tuple[Member, int]]:
    """The members of a struct, with those of its anonymous members; of what is no struct, none."""
    if not isinstance(of, Composite) or not depth:
        return
    for member in of.members:
        if member.name:
            yield member, bit_offset + member.bit_offset
        else:
            yield from _flattened(of.btf.resolve(member.type), bit_offset + member.bit_offset, depth - 1)


def map_types(btf: Btf, map: Map) -> MapTypes:
    """The types of a map."""
    if not hasattr(map, "_type_ids"):
        raise TypeError(f"type_of() takes a map, not {type(map).__name__}")
    obj = map._object
    if obj.btf is not btf if obj is not None else map._known_layout().btf_id != btf.id:
        where = "its object's" if obj is not None else f"id {map._known_layout().btf_id}"
        raise ValueError(f"the types of map '{map.name}' are in another Btf: {where}")
    key, value = map._type_ids
    return MapTypes(btf[key] if key else None, btf[value] if value else None)
