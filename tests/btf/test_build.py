# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BTF that is made: what is added is what libbpf, the kernel and C see."""

from __future__ import annotations

import gc
import os
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import Btf, ClosedError, FormatError, NotSupportedError, StateError, _native
from pylibbpf.btf import BtfBuilder, Kind, Linkage, Type


@pytest.fixture
def built() -> Iterator[BtfBuilder]:
    with BtfBuilder() as builder:
        yield builder


def one_of_each(built: BtfBuilder) -> dict[Kind, Type]:
    """A type of each kind."""
    number = built.add_int("int", 4, signed=True)
    char = built.add_int("char", 1, char=True)
    pointer = built.add_ptr(number)
    proto = built.add_func_proto(number, [("a", number), ("", 0)])
    point = built.add_struct("point", 8, [("x", number, 0), ("y", number, 32)])
    variable = built.add_var("total", number)
    return {
        Kind.INT: number,
        Kind.PTR: pointer,
        Kind.ARRAY: built.add_array(char, 16),
        Kind.STRUCT: point,
        Kind.UNION: built.add_union("either", 8, [("whole", point), ("half", number)]),
        Kind.ENUM: built.add_enum("colour", {"RED": 1, "BLUE": -7}),
        Kind.FWD: built.add_fwd("unknown"),
        Kind.TYPEDEF: built.add_typedef("pid_t", number),
        Kind.VOLATILE: built.add_volatile(number),
        Kind.CONST: built.add_const(number),
        Kind.RESTRICT: built.add_restrict(pointer),
        Kind.FUNC: built.add_func("handle", proto, Linkage.STATIC),
        Kind.FUNC_PROTO: proto,
        Kind.VAR: variable,
        Kind.DATASEC: built.add_datasec(".bss", 4, [(variable, 0, 4)]),
        Kind.FLOAT: built.add_float("double", 8),
        Kind.DECL_TAG: built.add_decl_tag("mark", point, 1),
        Kind.TYPE_TAG: built.add_type_tag("user", number),
        Kind.ENUM64: built.add_enum("wide", {"HUGE": 1 << 40}, size=8),
    }


# --- one type ---------------------------------------------------------------------------


def test_there_is_a_way_to_add_every_kind(built: BtfBuilder) -> None:
    types = one_of_each(built)
    assert set(types) == set(Kind) - {Kind.UNKN}
    for kind, added in types.items():
        assert (added.kind, built[added.id]) == (kind, added)
    with Btf.from_bytes(built.to_bytes()) as read:
        assert [str(found) for found in read] == [str(found) for found in built]
        assert [repr(found) for found in read] == [repr(found) for found in built]


def test_members_lie_where_they_were_put(built: BtfBuilder) -> None:
    number = built.add_int("unsigned int", 4)
    bits: Any = built.add_struct(
        "bits", 8, [("a", number, 0, 3), ("b", number, 3, 5), ("c", "unsigned int", 32)]
    )
    assert [(m.name, m.bit_offset, m.bitfield_size) for m in bits.members] == [
        ("a", 0, 3),
        ("b", 3, 5),
        ("c", 32, 0),
    ]
    value = built.to_ctypes(bits)(a=7, b=31, c=1 << 31)
    assert bytes(value) == b"\xff\0\0\0" + struct.pack("=I", 1 << 31)
    either: Any = built.add_union("either", 4, [("whole", number), ("part", number, 0, 4)])
    assert [(m.name, m.bitfield_size) for m in either.members] == [("whole", 0), ("part", 4)]


def test_enums_of_any_sign_and_size(built: BtfBuilder) -> None:
    small: Any = built.add_enum("small", {"A": -1, "B": 5}, size=1)
    large: Any = built.add_enum("large", {"C": (1 << 64) - 1}, size=8)
    negative: Any = built.add_enum("negative", {"D": -(1 << 63)}, size=8)
    assert (small.size, small.values) == (1, (("A", -1), ("B", 5)))
    assert large.values == (("C", (1 << 64) - 1),)
    assert (negative.values, negative.signed) == ((("D", -(1 << 63)),), True)
    for values, size in (
        ({"X": 1 << 32}, 4),
        ({"X": -(1 << 31) - 1}, 4),
        ({"X": 1 << 64}, 8),
        ({"X": -1, "Y": 1 << 31}, 4),
        ({"X": 256}, 1),
        ({"X": -129}, 1),
        ({"X": 1 << 16}, 2),
    ):
        with pytest.raises(OverflowError, match="does not fit"):
            built.add_enum("bad", values, size=size)


def test_a_type_may_refer_to_one_that_is_still_to_come(built: BtfBuilder) -> None:
    pointer = built.add_ptr(built.next_id + 1)
    node = built.add_struct("node", 16, [("next", pointer, 0), ("prev", pointer, 64)])
    assert str(pointer) == "struct node *"
    assert "struct node *next;" in built.c_dump(node)


def test_what_does_not_exist_is_never_followed(built: BtfBuilder) -> None:
    built.add_ptr(77)
    for use in (built.c_dump, built.dedup, lambda: built.align_of(1)):
        with pytest.raises(FormatError):
            use()


def test_bad_arguments_are_refused_and_add_nothing(built: BtfBuilder) -> None:
    number = built.add_int("int", 4, signed=True)
    loose: Any = built
    with Btf.vmlinux() as other:
        foreign = other.find("struct list_head")
        for wrong, error in (
            (lambda: built.add_ptr(foreign), ValueError),
            (lambda: built.add_ptr(-1), OverflowError),
            (lambda: built.add_ptr(1 << 20), OverflowError),
            (lambda: built.add_ptr("nothing"), KeyError),
            (lambda: built.add_int("a\0b", 4), ValueError),
            (lambda: loose.add_ptr(None), TypeError),
            (lambda: loose.add_int("x", 3), ValueError),
            (lambda: loose.add_int("x", "4"), ValueError),
            (lambda: loose.add_float("x", 3), ValueError),
            (lambda: loose.add_enum("x", {"A": 1}, size=3), ValueError),
            (lambda: loose.add_enum("x", ["A"]), TypeError),
            (lambda: loose.add_enum("x", {"A": "1"}), TypeError),
            (lambda: loose.add_struct("s", 4, [("a",)]), TypeError),
            (lambda: loose.add_struct("s", 4, ["a"]), TypeError),
            (lambda: loose.add_struct("s", "4"), TypeError),
            (lambda: loose.add_type(3), TypeError),
            (lambda: loose.add_btf(3), TypeError),
            (lambda: built.add_int("x", 4, signed=True, bool=True), ValueError),
            (lambda: built.add_struct("s", -1), OverflowError),
            (lambda: built.add_struct("s", 4, [("a", 99 << 20, 0)]), OverflowError),
            (lambda: built.add_array(number, 1 << 32), OverflowError),
            (lambda: built.add_fwd("x", "int"), ValueError),
            (lambda: built.add_func("", number), OSError),
            (lambda: built.add_btf(built), ValueError),
        ):
            with pytest.raises(error):
                wrong()
    assert len(built) == 1


# --- many types -----------------------------------------------------------------------------


def test_what_is_the_same_becomes_one(built: BtfBuilder) -> None:
    for _ in range(3):
        number = built.add_int("int", 4, signed=True)
        pointer = built.add_ptr(number)
        built.add_struct("pair", 16, [("a", number, 0), ("b", pointer, 64)])
    assert len(built) == 9
    codec = built.codec("struct pair")
    built.dedup()
    assert len(built) == 3
    assert built.codec("struct pair").encode((1, 2)) == codec.encode((1, 2))
    built.add_fwd("later")
    assert str(built[4]) == "struct later"


def test_types_of_another_btf_are_copied(built: BtfBuilder, bpf_object: Callable[[str], Path]) -> None:
    number = built.add_int("int", 4, signed=True)
    with Btf.from_elf(bpf_object("maps")) as other:
        assert str(built.add_type(other.find("int", "int"))) == "int"
        first = built.add_btf(other)
        assert (first, len(built)) == (number.id + 2, len(other) + 2)
        assert built.c_dump("struct event") == other.c_dump("struct event")
    built.dedup()
    assert len(built) == len(other_types(bpf_object))


def other_types(bpf_object: Callable[[str], Path]) -> list[Type]:
    with Btf.from_elf(bpf_object("maps")) as btf:
        return list(btf)


def test_a_file_is_saved_and_read_and_added_to(built: BtfBuilder, tmp_path: Path) -> None:
    one_of_each(built)
    built.save(tmp_path / "types.btf")
    with BtfBuilder.from_file(tmp_path / "types.btf") as again:
        assert isinstance(again, BtfBuilder)
        assert again.to_bytes() == built.to_bytes()
        again.add_typedef("also", "pid_t")
        assert len(again) == len(built) + 1


@pytest.mark.needs("prepare")  # libbpf 1.5 would do
def test_split_btf_adds_to_its_base_and_is_distilled() -> None:
    with BtfBuilder() as base:
        number = base.add_int("int", 4, signed=True)
        for index in range(20):
            base.add_struct(f"unused{index}", 4, [("a", number, 0)])
        used = base.add_struct("used", 8, [("a", number, 0), ("b", number, 32)])
        with BtfBuilder(base=base) as split:
            split.add_struct("holder", 16, [("inside", used, 0), ("plus", number, 64)])
            assert str(split.find("struct holder")) == "struct holder"
            with pytest.raises(StateError, match="base of a split"):
                base.add_int("more", 4)
            small, distilled = split.distill()
            with small, distilled:
                assert len(small) < len(base)
                assert small.size_of("struct used") == 8
                assert "struct unused1" not in small
                holder: Any = distilled.find("struct holder")
                assert [member.name for member in holder.members] == ["inside", "plus"]
        with pytest.raises(ValueError, match="not split"):
            base.distill()
        base.add_int("more", 8)


@pytest.mark.needs("prepare")  # libbpf 1.5 would do
def test_distilled_btf_is_relocated_to_another_base() -> None:
    with BtfBuilder() as base, BtfBuilder() as newer, BtfBuilder() as strange:
        number = base.add_int("int", 4, signed=True)
        used = base.add_struct("used", 8, [("a", number, 0), ("b", number, 32)])
        # Another kernel, where the same types have other ids.
        newer.add_int("char", 1, char=True)
        same = newer.add_int("int", 4, signed=True)
        newer.add_struct("used", 8, [("b", same, 0), ("a", same, 32)])
        strange.add_int("int", 4, signed=True)
        with BtfBuilder(base=base) as split:
            split.add_struct("holder", 16, [("inside", used, 0), ("plus", number, 64)])
            small, distilled = split.distill()
        with small, distilled:
            with distilled.relocate(newer) as relocated:
                assert relocated.base is newer
                holder: Any = relocated.find("struct holder")
                assert [member.name for member in holder.members] == ["inside", "plus"]
                inside = holder.members[0].type
                assert inside.id == newer.find("struct used").id != used.id
                assert [member.name for member in inside.members] == ["b", "a"]
                with pytest.raises(StateError, match="base of a split"):
                    newer.add_int("more", 8)
            newer.add_int("more", 8)
            with pytest.raises(FormatError, match="has no match"):
                distilled.relocate(strange)
            strange.add_int("more", 8)  # it is not held any more
            with pytest.raises(ValueError, match="not split"):
                small.relocate(newer)


# --- the kernel ------------------------------------------------------------------------------


@pytest.mark.needs("root")
def test_the_kernel_loads_it_and_gives_it_back(built: BtfBuilder) -> None:
    number = built.add_int("int", 4, signed=True)
    built.add_struct("point", 8, [("x", number, 0), ("y", number, 32)])
    with built.load() as loaded:
        assert loaded.fd > 2
        with Btf.from_id(loaded.id) as found:
            assert found.c_dump("struct point") == built.c_dump("struct point")
    with pytest.raises(ClosedError):
        loaded.fileno()
    assert loaded.closed


@pytest.mark.needs("root")
def test_the_kernel_says_what_it_does_not_like(built: BtfBuilder) -> None:
    number = built.add_int("int", 4, signed=True)
    built.add_struct("bad", 4, [("x", number, 0), ("y", number, 32)])
    with pytest.raises(FormatError, match=r"bad|exceeds|Invalid"):
        built.load()
    with BtfBuilder(base=built) as split, pytest.raises(NotSupportedError, match="split"):
        split.load()


# --- lifetime ------------------------------------------------------------------------------------


def test_after_close_everything_raises() -> None:
    with BtfBuilder() as built:
        number = built.add_int("int", 4)
    for use in (
        lambda: built.add_ptr(number),
        built.dedup,
        lambda: built.next_id,
        built.to_bytes,
        lambda: built.save("/dev/null"),
    ):
        with pytest.raises(ClosedError):
            use()


def test_a_dropped_builder_warns_and_is_freed() -> None:
    built = BtfBuilder()
    with pytest.warns(ResourceWarning, match="unclosed"):
        del built
    gc.collect()


def test_threads_add_and_read_at_the_same_time(built: BtfBuilder) -> None:
    number = built.add_int("int", 4, signed=True)
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for index in range(200):
                added = built.add_struct(f"s{thread}_{index}", 4, [("a", number, 0)])
                assert built.find(f"struct s{thread}_{index}").id == added.id
                assert len(built.to_bytes()) > 24
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(built) == 801
    assert all(len(found.members) == 1 for found in built if found.kind == Kind.STRUCT)  # type: ignore[attr-defined]


def test_a_child_cannot_use_it_and_does_not_hang(built: BtfBuilder) -> None:
    built.add_int("int", 4)
    with built._handle:  # as a thread that is in the middle of something
        child = os.fork()
        if not child:
            status = 1
            try:
                built.add_int("other", 8)
            except StateError:
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0


def test_split_builders_may_be_dropped_in_any_order() -> None:
    for order in (0, 1):
        base = BtfBuilder()
        base.add_int("int", 4)
        split = BtfBuilder(base=base)
        split.add_ptr(1)
        for one in (base, split)[:: 1 - 2 * order]:
            one.close()
        assert (base.closed, split.closed) == (True, True)
    _native.collect()
