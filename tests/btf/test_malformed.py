# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BTF that contradicts itself: an error, soon, and never a crash."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pylibbpf import errors
from pylibbpf.btf import Btf, Kind
from tests.btf.raw import SIGNED, RawBtf, everything

pytestmark = pytest.mark.host("needs no kernel")

GOOD = bytes(everything())
TYPES_END = 24 + sum(map(len, everything().types))

REFUSED = (errors.BpfError, TypeError, ValueError, AttributeError, IndexError)


def use_all_of(btf: Btf) -> None:
    """Asks for everything that there is to know of every type."""
    attempt(btf.c_dump)
    for type_id in range(1, len(btf) + 1):
        found = attempt(btf.__getitem__, type_id)
        if found is None:
            continue
        assert repr(found)
        assert isinstance(str(found), str)
        for name in ("members", "values", "params", "variables", "type", "size", "linkage"):
            attempt(getattr, found, name)
        for use in (btf.resolve, btf.align_of, btf.c_dump, btf.to_ctypes):
            attempt(use, found)
        size, codec = attempt(btf.size_of, found), attempt(btf.codec, found)
        if size is not None and size < 1 << 16:
            attempt(btf.format, found, bytes(size))
        if codec is not None and codec.size < 1 << 16:
            value = codec.decode(bytes(codec.size))
            assert repr(value)
            assert len(codec.encode(value)) == codec.size


def attempt(use: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return use(*arguments)
    except REFUSED:
        return None


def test_all_of_good_btf_can_be_used() -> None:
    with Btf.from_bytes(GOOD) as btf:
        use_all_of(btf)


@pytest.mark.needs("hardened_btf_dump")
def test_truncated_btf_is_a_format_error() -> None:
    for length in range(len(GOOD)):
        with pytest.raises(errors.FormatError):
            Btf.from_bytes(GOOD[:length])


@pytest.mark.needs("hardened_btf_dump")
@pytest.mark.host("a property test of some seconds")
@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(6, TYPES_END // 4 - 1),
            st.integers(0, 40)
            | st.integers(0, 19).map(lambda kind: kind << 24 | 1)
            | st.integers(0, (1 << 32) - 1),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_changed_words_are_never_a_crash(changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for word, value in changes:
        struct.pack_into("=I", data, 4 * word, value)
    try:
        btf = Btf.from_bytes(data)
    except errors.FormatError:
        return
    with btf:
        use_all_of(btf)


@pytest.mark.needs("hardened_btf_dump")
@pytest.mark.host("a property test of some seconds")
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_types_that_refer_to_each_other_at_random_are_never_a_crash(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    ids = st.integers(0, count)
    raw = RawBtf()
    for _ in range(count):
        kind = data.draw(
            st.sampled_from(["ptr", "array", "struct", "union", "proto", "typedef", "const", "int", "var"])
        )
        members = [
            (data.draw(st.sampled_from(["", "a", "b"])), data.draw(ids), data.draw(st.integers(0, 9)) * 8)
            for _ in range(data.draw(st.integers(0, 3)))
        ]
        name = data.draw(st.sampled_from(["", "s", "t"]))
        if kind == "int":
            raw.integer("int", 4, SIGNED)
        elif kind == "array":
            raw.array(data.draw(ids), data.draw(st.integers(0, 3)))
        elif kind == "struct":
            raw.struct(name, 128, *members)
        elif kind == "union":
            raw.union(name, 128, *[(member, type_id, 0) for member, type_id, _ in members])
        elif kind == "proto":
            raw.func_proto(data.draw(ids), *[(member, type_id) for member, type_id, _ in members])
        elif kind == "var":
            raw.var("v", data.draw(ids))
        else:
            raw.refer(Kind[kind.upper()], data.draw(ids), "x" if kind == "typedef" else "")
    try:
        btf = Btf.from_bytes(bytes(raw))
    except errors.FormatError:
        return
    with btf:
        use_all_of(btf)


def doubled(declare: Callable[[RawBtf, int], int]) -> Callable[[RawBtf], int]:
    """Types of which each holds the one before twice: 2^40 of the first."""

    def declare_all(raw: RawBtf) -> int:
        inner = raw.integer("int", 4, SIGNED)
        for _ in range(40):
            inner = declare(raw, inner)
        return inner

    return declare_all


def chain(kind: Kind, length: int) -> Callable[[RawBtf], int]:
    def declare(raw: RawBtf) -> int:
        inner = raw.integer("int", 4, SIGNED)
        for _ in range(length):
            inner = raw.refer(kind, inner, "x" if kind is Kind.TYPEDEF else "")
        return inner

    return declare


HOPELESS: dict[str, Callable[[RawBtf], int]] = {
    "a modifier of itself": lambda raw: raw.refer(Kind.CONST, 1),
    "a pointer to itself": lambda raw: raw.refer(Kind.PTR, 1),
    "a typedef of itself": lambda raw: raw.refer(Kind.TYPEDEF, 1, "x"),
    "an array of itself": lambda raw: raw.array(1, 2),
    "a function that returns itself": lambda raw: raw.func_proto(1),
    "a struct in itself": lambda raw: raw.struct("s", 8, ("a", 1, 0)),
    "an anonymous struct that points to itself": lambda raw: raw.struct(
        "", 8, ("a", raw.refer(Kind.PTR, 1) - 1, 0)
    ),
    "a union in itself": lambda raw: raw.union("u", 8, ("", 1, 0)),
    "a section in itself": lambda raw: raw.datasec(".bss", 8, (1, 0, 8)),
    "a variable in its section": lambda raw: raw.datasec(".bss", 8, (raw.var("v", 2), 0, 8)),
    "a pointer to a variable": lambda raw: raw.refer(Kind.PTR, raw.var("v", 0)),
    "anonymous structs twice in each other": doubled(
        lambda raw, i: raw.struct("", 0, ("a", i, 0), ("b", i, 0))
    ),
    "named unions twice in each other": doubled(lambda raw, i: raw.union("u", 4, ("a", i, 0), ("b", i, 0))),
    "functions that take each other twice": doubled(
        lambda raw, i: raw.refer(Kind.PTR, raw.func_proto(i, ("a", i), ("b", i)))
    ),
    "typedefs of functions that take each other twice": doubled(
        lambda raw, i: raw.refer(Kind.TYPEDEF, raw.func_proto(0, ("a", i), ("b", i)), "f")
    ),
    "pointers of pointers of pointers": chain(Kind.PTR, 20_000),
    "typedefs of typedefs of typedefs": chain(Kind.TYPEDEF, 20_000),
    "a member of void behind a hole": lambda raw: raw.struct("s", 64, ("a", 0, 128)),
    "a member of a declaration": lambda raw: raw.struct("s", 64, ("a", raw.add(Kind.FWD, "f"), 128)),
    "a member that is an integer of no bytes": lambda raw: raw.struct(
        "s", 64, ("a", raw.integer("i", 0), 128)
    ),
    "a member outside of its struct": lambda raw: raw.struct("s", 4, ("a", raw.integer("i", 4), 1 << 31)),
    "a bitfield wider than its type": lambda raw: raw.struct("s", 64, ("a", raw.integer("i", 4), 0, 40)),
    "a struct of two gigabytes of nothing": lambda raw: raw.struct("s", 1 << 31),
    "a struct of holes": lambda raw: raw.struct("s", 1 << 27),
}


@pytest.mark.parametrize("declare", HOPELESS.values(), ids=HOPELESS)
def test_what_libbpf_would_not_survive_is_refused(declare: Callable[[RawBtf], int]) -> None:
    raw = RawBtf()
    type_id = declare(raw)
    with Btf.from_bytes(bytes(raw)) as btf:
        for use in (btf.c_dump, btf.align_of):
            with pytest.raises(errors.FormatError, match=r"cannot make sense of BTF type \[\d+\]"):
                use(type_id)
        with pytest.raises(errors.FormatError):
            btf.c_dump()
        attempt(btf.format, type_id, bytes(attempt(btf.size_of, type_id) or 0))
        assert repr(btf[type_id])


def test_a_variable_outside_of_its_section_is_not_read() -> None:
    raw = RawBtf()
    number = raw.integer("int", 4, SIGNED)
    section = raw.datasec(".bss", 8, (raw.var("v", raw.array(number, 4)), 1 << 30, 16))
    outside = pytest.raises(errors.FormatError, match="'v' lies outside of its section")
    with Btf.from_bytes(bytes(raw)) as btf, outside:
        btf.format(section, bytes(8))


def test_structs_that_hold_each_other_twice_still_have_a_codec() -> None:
    raw = RawBtf()
    inner = raw.integer("int", 4, SIGNED)
    for index in range(12):
        size = 4 << index
        inner = raw.struct(f"s{index}", 2 * size, ("a", inner, 0), ("b", inner, 8 * size))
    with Btf.from_bytes(bytes(raw)) as btf:
        made: Any = btf.to_ctypes(inner)()
        made.b.b.b.a.a.a.b.a.b.a.a.b = 7
        assert made.b.b.b.a.a.a.b.a.b.a.a.b == 7
        assert "struct s11 {" in btf.c_dump(inner)


@pytest.mark.host("compiled objects are large, and there are many")
def test_truncated_objects_are_errors(bpf_object: Any, tmp_path: Any) -> None:
    data = bpf_object("spine").read_bytes()
    path = tmp_path / "truncated.o"
    for length in range(0, len(data), max(1, len(data) // 200)):
        path.write_bytes(data[:length])
        with pytest.raises(errors.FormatError):
            Btf.from_elf(path)
