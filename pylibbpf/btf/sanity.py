# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What libbpf's C dump, typed dump and alignment take for granted of BTF.

libbpf checks ids and names when it parses (btf.c:btf_sanity_check, which 1.1 does not have yet),
but no more. Types that are part of themselves send its recursion down for
ever, anonymous ones that hold each other twice make it write 2^n lines, a
member without a size makes it divide by zero. The kernel's own BTF has none of
that. What comes from a file or from bytes is checked here before it is used
for one of those.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from .._native import ffi, lib
from .types import Kind, malformed, tail_size

if TYPE_CHECKING:
    from .._libbpf import CData
    from .btf import Btf

# Frames on the C stack.
_MAX_DEPTH = 256
# Types that one definition may spell out, and all definitions together.
_MAX_SPELLED = 1 << 20
_MAX_SPELLED_IN_ALL = 1 << 24
# Bytes of holes, which libbpf fills with a member for each 8.
_MAX_HOLES = 1 << 21
# libbpf counts the bits of a struct in an int.
_MAX_STRUCT_SIZE = (1 << 28) - 1

_MODIFIERS = {Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG}
_COMPOSITES = {Kind.STRUCT, Kind.UNION}
# What BTF numbers among the types; only sections and tags refer to these.
_NO_TYPES = {Kind.FUNC, Kind.VAR, Kind.DATASEC, Kind.DECL_TAG}
_SCALARS = {Kind.INT, Kind.FLOAT, Kind.ENUM, Kind.ENUM64}
# How the bytes behind a type are divided, and which numbers in them are names and types.
_RECORDS: dict[int, tuple[str, int | None, tuple[int, ...]]] = {
    Kind.ARRAY: ("III", None, (0, 1)),
    Kind.STRUCT: ("III", 0, (1,)),
    Kind.UNION: ("III", 0, (1,)),
    Kind.ENUM: ("II", 0, ()),
    Kind.ENUM64: ("III", 0, ()),
    Kind.FUNC_PROTO: ("II", 0, (1,)),
    Kind.DATASEC: ("III", None, (0,)),
}
_REFERENCES = _MODIFIERS | {Kind.PTR, Kind.TYPEDEF, Kind.FUNC, Kind.VAR, Kind.DECL_TAG, Kind.FUNC_PROTO}


class _Node(NamedTuple):
    """One type, as far as it matters here."""

    kind: int
    named: bool
    size: int
    # An array's one element, a prototype's result and parameters, members.
    targets: tuple[int, ...]
    # An array's length; offsets and bitfield sizes of members.
    length: int = 0
    places: tuple[tuple[int, int], ...] = ()


def check(btf: Btf) -> None:
    """Raises FormatError for types that libbpf cannot write out."""
    nodes = _read(btf)
    # Every later step follows references without looking back, so endless ones come first.
    _Walk(_nested(nodes), max, _MAX_DEPTH, "it is part of itself, or nested too deeply").all(
        (type_id, False) for type_id in range(len(nodes))
    )
    spelled = _Walk(_spelled(nodes), sum, _MAX_SPELLED, "it takes too many types to spell it out")
    aligned = _Walk(_by_value(nodes), sum, _MAX_SPELLED, "it has too many members")
    total = holes = 0
    for type_id, node in enumerate(nodes):
        if node.kind in _COMPOSITES:
            holes += _holes(nodes, type_id)
            total += aligned.of(type_id)
            total += sum(spelled.of(target) for target in node.targets)
        elif node.targets:
            total += spelled.of(node.targets[0])
        if total > _MAX_SPELLED_IN_ALL or holes > _MAX_HOLES:
            raise malformed(f"type [{type_id}]", "its structs are too large to spell them out")


def _read(btf: Btf) -> list[_Node]:
    with btf._handle as pointer:
        nodes = _read_types(pointer)
    for type_id, node in enumerate(nodes):
        for target in node.targets:
            if not _may_refer(node.kind, nodes[target].kind):
                raise malformed(
                    f"type [{type_id}]", f"it refers to type [{target}], which is of the wrong kind"
                )
    return nodes


def _read_types(pointer: CData) -> list[_Node]:
    count = lib.btf__type_cnt(pointer)
    nodes = [_Node(Kind.UNKN, False, 0, ())]
    for type_id in range(1, count):
        node = _read_type(pointer, type_id)
        for target in node.targets:
            if target >= count:
                raise malformed(f"type [{type_id}]", f"it refers to type [{target}], which does not exist")
        nodes.append(node)
    return nodes


def _may_refer(kind: int, target: int) -> bool:
    if kind == Kind.DECL_TAG:
        return True
    if kind == Kind.DATASEC:
        return target in (Kind.VAR, Kind.FUNC)
    return target not in _NO_TYPES


def _read_type(btf: CData, type_id: int) -> _Node:
    header = lib.btf__type_by_id(btf, type_id)
    info, size_or_type = header.info, header.size
    kind, size = info >> 24 & 0x1F, tail_size(info)
    format, name_at, targets_at = _RECORDS.get(kind, ("", None, ()))
    records = list(struct.iter_unpack(format, ffi.buffer(header + 1, size))) if format and size else []
    names = (
        [header.name_off] if name_at is None else [header.name_off, *[record[name_at] for record in records]]
    )
    for name in names:
        if name and not lib.btf__name_by_offset(btf, name):
            raise malformed(f"type [{type_id}]", f"a name lies at {name}, outside of the strings")
    targets = tuple([record[at] for record in records for at in targets_at])
    named = bool(header.name_off)
    if kind in _REFERENCES:
        return _Node(kind, named, 0, (size_or_type, *targets))
    if kind == Kind.ARRAY:
        return _Node(kind, False, 0, targets[:1], records[0][2])
    if kind in _COMPOSITES:
        mask, shift = (0xFFFFFF, 24) if info >> 31 else (0xFFFFFFFF, 32)
        places = tuple([(record[2] & mask, record[2] >> shift) for record in records])
        return _Node(kind, named, size_or_type, targets, places=places)
    return _Node(kind, named, size_or_type, targets)


class _Walk:
    """Adds up the parts of types, and the parts of these, without recursion.

    Args:
        parts: the parts of one.
        add: sum for how many there are in all, max for how deep they go.
        limit: the largest sum that is well.
        why: what is wrong with a larger one.
    """

    def __init__(
        self,
        parts: Callable[[tuple[int, bool]], list[tuple[int, bool]]],
        add: Callable[[Iterable[int]], int],
        limit: int,
        why: str,
    ) -> None:
        self._parts = parts
        self._add = add
        self._limit = limit
        self._why = why
        self._known: dict[tuple[int, bool], int] = {}

    def all(self, starts: Iterable[tuple[int, bool]]) -> None:
        for start in starts:
            self._value(start)

    def of(self, type_id: int) -> int:
        return self._value((type_id, False))

    def _value(self, start: tuple[int, bool]) -> int:
        known = self._known
        if start in known:
            return known[start]
        stack = [(start, self._parts(start))]
        open_nodes = {start}
        while stack:
            node, parts = stack[-1]
            part = next((part for part in parts if part not in known), None)
            if part is None:
                value = 1 + (self._add(known[part] for part in parts) if parts else 0)
                if value > self._limit:
                    raise malformed(f"type [{node[0]}]", self._why)
                known[node] = value
                open_nodes.discard(node)
                stack.pop()
            elif part in open_nodes:
                raise malformed(f"type [{part[0]}]", self._why)
            else:
                stack.append((part, self._parts(part)))
                open_nodes.add(part)
        return known[start]


def _nested(nodes: list[_Node]) -> Callable[[tuple[int, bool]], list[tuple[int, bool]]]:
    """Where btf_dump_order_type and btf_dump_emit_type recurse: (type, whether a pointer led there)."""

    def parts(at: tuple[int, bool]) -> list[tuple[int, bool]]:
        node, through_pointer = nodes[at[0]], at[1]
        if node.kind in _NO_TYPES or (node.kind in _COMPOSITES and node.named and through_pointer):
            return []
        if node.kind in _COMPOSITES or node.kind == Kind.ARRAY:
            through_pointer = False
        elif node.kind == Kind.PTR:
            through_pointer = True
        return [(target, through_pointer) for target in node.targets]

    return parts


def _spelled(nodes: list[_Node]) -> Callable[[tuple[int, bool]], list[tuple[int, bool]]]:
    """What is written out in place where a type is mentioned: all but what has a name."""

    def parts(at: tuple[int, bool]) -> list[tuple[int, bool]]:
        node = nodes[at[0]]
        if node.kind in _NO_TYPES or (node.kind in _COMPOSITES and node.named):
            return []
        if node.kind == Kind.TYPEDEF and nodes[node.targets[0]].kind in (*_COMPOSITES, Kind.PTR):
            return []
        return [(target, False) for target in node.targets]

    return parts


def _by_value(nodes: list[_Node]) -> Callable[[tuple[int, bool]], list[tuple[int, bool]]]:
    """Where btf__align_of recurses."""

    def parts(at: tuple[int, bool]) -> list[tuple[int, bool]]:
        node = nodes[at[0]]
        if node.kind in _COMPOSITES or node.kind in (*_MODIFIERS, Kind.TYPEDEF, Kind.ARRAY):
            return [(target, False) for target in node.targets]
        return []

    return parts


def _holes(nodes: list[_Node], type_id: int) -> int:
    """The bytes of a struct that no member covers, once its members are known to make sense."""
    node = nodes[type_id]
    if node.size > _MAX_STRUCT_SIZE:
        raise malformed(f"type [{type_id}]", f"it is a struct of {node.size} bytes")
    end = holes = 0
    for target, (bit_offset, width) in zip(node.targets, node.places, strict=True):
        size = _size(nodes, target)
        if size is None:
            raise malformed(f"type [{type_id}]", f"a member is of type [{target}], which has no size")
        bits = width or 8 * size
        if bits > 8 * size or bit_offset + bits > 8 * node.size:
            raise malformed(f"type [{type_id}]", f"a member of type [{target}] does not fit in it")
        holes += max(0, bit_offset - end)
        end = bit_offset + bits
    return (holes + max(0, 8 * node.size - end)) // 8


def _size(nodes: list[_Node], type_id: int) -> int | None:
    """Bytes of a value of a type, or None if there are no values of it."""
    count = 1
    node = nodes[type_id]
    while node.kind in _MODIFIERS or node.kind in (Kind.TYPEDEF, Kind.ARRAY):
        if node.kind == Kind.ARRAY:
            count *= node.length
        node = nodes[node.targets[0]]
    if node.kind == Kind.PTR:
        return count * 8
    if node.kind in _COMPOSITES or (node.kind in _SCALARS and node.size):
        return count * node.size
    return None
