# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The objects for types: what they say of each kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pylibbpf import errors
from pylibbpf.btf import (
    Array,
    Btf,
    Const,
    DataSec,
    DeclTag,
    Enum,
    Enum64,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Kind,
    Linkage,
    Ptr,
    Restrict,
    Struct,
    Type,
    Typedef,
    TypeTag,
    Union,
    Var,
    Void,
    Volatile,
)
from tests.btf.raw import SIGNED, RawBtf, everything


@pytest.fixture
def btf() -> Iterator[Btf]:
    with Btf.from_bytes(bytes(everything())) as btf:
        yield btf


def of_class(btf: Btf, cls: type[Type]) -> list[Type]:
    return [found for found in btf if type(found) is cls]


@pytest.mark.host("reads the vendored header")
def test_kinds_are_the_kernels() -> None:
    header = Path(__file__).parents[2] / "libbpf/include/uapi/linux/btf.h"
    kinds = re.findall(r"\bBTF_KIND_(\w+)\s*=\s*(\d+)", header.read_text())
    assert {name: int(value) for name, value in kinds} == dict(Kind.__members__)


def test_there_is_an_object_for_each_kind(btf: Btf) -> None:
    assert {found.kind for found in btf} == set(Kind) - {Kind.UNKN}
    assert type(btf[0]) is Void
    assert btf[0].kind is Kind.UNKN


def test_an_integer_has_size_and_encoding(btf: Btf) -> None:
    integer = btf.find("int")
    assert isinstance(integer, Int)
    assert (integer.size, integer.signed, integer.is_bool, integer.is_char, integer.bits) == (
        4,
        True,
        False,
        False,
        32,
    )
    char, boolean = btf.find("char"), btf.find("_Bool")
    assert isinstance(char, Int)
    assert isinstance(boolean, Int)
    assert char.is_char
    assert boolean.is_bool


def test_the_signed_char_of_old_pahole_has_its_sign() -> None:
    raw = RawBtf()
    raw.integer("signed char", 1)
    raw.integer("unsigned char", 1)
    with Btf.from_bytes(bytes(raw)) as btf:
        assert [number.signed for number in btf] == [True, False]  # type: ignore[attr-defined]
        assert btf.codec("signed char").encode(-128) == b"\x80"


def test_a_struct_has_members_with_offsets(btf: Btf) -> None:
    event = btf.find("struct event")
    assert isinstance(event, Struct)
    assert event.size == 64
    assert [(member.name, member.offset, str(member)) for member in event.members] == [
        ("pid", 0, "pid_t pid"),
        ("flags", 4, "unsigned char flags"),
        ("comm", 5, "char comm[16]"),
        ("", 24, "union (anonymous)"),
        ("where", 32, "struct point where"),
        ("color", 40, "enum color color"),
        ("numbers", 44, "unsigned int numbers[3]"),
        ("next", 56, "void *next"),
    ]
    assert isinstance(event.members[3].type, Union)
    assert event.members is event.members


def test_a_bitfield_has_a_width(btf: Btf) -> None:
    bits = btf.find("bits")
    assert isinstance(bits, Struct)
    assert [(m.name, m.bit_offset, m.bitfield_size) for m in bits.members] == [
        ("a", 0, 3),
        ("b", 3, 5),
        ("c", 8, 24),
        ("d", 32, 1),
    ]
    assert repr(bits.members[1]) == "<Member int b : 5 at 0.3>"


def test_an_enum_has_values_of_its_sign_and_size(btf: Btf) -> None:
    color, sign, wide = btf.find("color"), btf.find("sign"), btf.find("wide", "enum")
    assert isinstance(color, Enum)
    assert isinstance(sign, Enum)
    assert isinstance(wide, Enum64)
    assert color.values == (("RED", 0), ("GREEN", 1), ("BLUE", 7))
    assert not color.signed
    assert sign.values[0].value == -1
    assert wide.values[0].value == 1 << 40
    assert wide.size == 8


def test_a_negative_64_bit_enumerator_is_negative() -> None:
    raw = RawBtf()
    raw.enum64("deep", {"LOW": -(1 << 62), "NO": -1}, signed=True)
    with Btf.from_bytes(bytes(raw)) as btf:
        deep = btf.find("deep")
        assert isinstance(deep, Enum64)
        assert [value for _, value in deep.values] == [-(1 << 62), -1]


def test_a_function_has_parameters_with_names(btf: Btf) -> None:
    function = btf.find("handle", Kind.FUNC)
    assert isinstance(function, Func)
    assert function.linkage is Linkage.GLOBAL
    proto = function.type
    assert isinstance(proto, FuncProto)
    assert [(param.name, str(param.type)) for param in proto.params] == [
        ("event", "struct event *"),
        ("flags", "unsigned long"),
    ]
    assert str(proto.return_type) == "int"
    assert str(function) == "int handle(struct event *event, unsigned long flags)"


def test_references_lead_to_types(btf: Btf) -> None:
    (volatile,) = of_class(btf, Volatile)
    assert isinstance(volatile, Volatile)
    restrict = volatile.type
    assert isinstance(restrict, Restrict)
    pointer = restrict.type
    assert isinstance(pointer, Ptr)
    assert pointer.size == 8
    constant = pointer.type
    assert isinstance(constant, Const)
    assert constant.type == btf.find("struct event")
    assert str(volatile) == "const struct event *restrict volatile"
    (tag,) = of_class(btf, TypeTag)
    assert tag.name == "user"


def test_what_is_only_declared_has_no_size(btf: Btf) -> None:
    unknown = btf.find("unknown")
    assert isinstance(unknown, Fwd)
    assert not unknown.is_union
    assert str(unknown) == "struct unknown"
    assert str(btf.find("unknown_union")) == "union unknown_union"
    with pytest.raises(errors.FormatError, match="tell the size of BTF type 'struct unknown'"):
        unknown.size


def test_a_section_has_variables(btf: Btf) -> None:
    section = btf.find(".bss", "datasec")
    assert isinstance(section, DataSec)
    (counter,) = section.variables
    assert (counter.name, counter.offset, counter.size) == ("counter", 0, 8)
    variable = counter.type
    assert isinstance(variable, Var)
    assert variable.linkage is Linkage.GLOBAL
    assert str(variable) == "unsigned long counter"


def test_a_tag_says_what_it_tags(btf: Btf) -> None:
    whole, member = of_class(btf, DeclTag)
    assert isinstance(whole, DeclTag)
    assert isinstance(member, DeclTag)
    assert (whole.name, whole.component_index, str(whole.type)) == ("tag", -1, "struct event")
    assert member.component_index == 2


def test_arrays_floats_and_typedefs(btf: Btf) -> None:
    array = of_class(btf, Array)[0]
    assert isinstance(array, Array)
    assert (array.length, str(array.type), array.size, str(array)) == (16, "char", 16, "char[16]")
    double = btf.find("double")
    assert isinstance(double, Float)
    assert double.size == 8
    pid_t = btf.find("pid_t")
    assert isinstance(pid_t, Typedef)
    assert pid_t.size == 4
    assert repr(pid_t).endswith("typedef int pid_t>")


def test_types_are_frozen_equal_and_hashable(btf: Btf) -> None:
    event = btf.find("struct event")
    assert event == btf[event.id]
    assert event is not btf[event.id]
    assert len({event, btf[event.id], btf[0]}) == 2
    assert event != btf[1]
    assert event != "struct event"
    with pytest.raises(AttributeError, match="cannot be changed"):
        event.name = "other"
    with pytest.raises(AttributeError, match="cannot be changed"):
        del event.name
    assert isinstance(event, Struct)
    with pytest.raises(AttributeError, match="cannot be changed"):
        event.members[0].name = "other"
    assert event.members[0] == btf[event.id].members[0]  # type: ignore[attr-defined]
    with Btf.from_bytes(bytes(everything())) as other:
        assert other[event.id] != event


def test_reprs_show_what_is_in_a_type(btf: Btf) -> None:
    assert repr(btf.find("point")).endswith("struct point { int x; int y; } size=8>")
    assert repr(btf.find("color")).endswith("enum color { RED = 0, GREEN = 1, BLUE = 7 } size=4>")
    for found in btf:
        assert repr(found).startswith(f"<{type(found).__name__} [{found.id}] ")


def test_a_large_struct_has_a_short_repr() -> None:
    raw = RawBtf()
    number = raw.integer("int", 4, SIGNED)
    raw.struct("large", 400, *[(f"m{index}", number, 32 * index) for index in range(100)])
    with Btf.from_bytes(bytes(raw)) as btf:
        assert "int m7; /* 92 more */ }" in repr(btf.find("large"))


@pytest.mark.parametrize(
    ("declare", "spelling"),
    [
        (lambda raw, i: raw.refer(Kind.PTR, raw.refer(Kind.PTR, i)), "int **"),
        (lambda raw, i: raw.refer(Kind.PTR, raw.array(i, 4)), "int (*)[4]"),
        (lambda raw, i: raw.array(raw.refer(Kind.PTR, i), 4), "int *[4]"),
        (lambda raw, i: raw.array(raw.array(i, 2), 3), "int[3][2]"),
        (lambda raw, i: raw.array(i, 0), "int[]"),
        (lambda raw, i: raw.refer(Kind.PTR, raw.func_proto(i)), "int (*)(void)"),
        (lambda raw, i: raw.refer(Kind.PTR, raw.func_proto(0, ("", i), ("", 0))), "void (*)(int, ...)"),
        (
            lambda raw, i: raw.array(raw.refer(Kind.PTR, raw.func_proto(raw.refer(Kind.PTR, i))), 2),
            "int *(*[2])(void)",
        ),
        (
            lambda raw, i: raw.refer(Kind.CONST, raw.refer(Kind.PTR, raw.refer(Kind.CONST, i))),
            "const int *const",
        ),
    ],
)
def test_declarations_are_spelled_as_in_c(declare, spelling: str) -> None:
    raw = RawBtf()
    type_id = declare(raw, raw.integer("int", 4, SIGNED))
    with Btf.from_bytes(bytes(raw)) as btf:
        assert str(btf[type_id]) == spelling


def test_types_of_a_closed_btf_say_so() -> None:
    btf = Btf.from_bytes(bytes(everything()))
    event = btf.find("struct event")
    btf.close()
    assert isinstance(event, Struct)
    with pytest.raises(errors.ClosedError):
        event.members
    assert "event: ClosedError" in repr(event)
    assert event.size == 64
