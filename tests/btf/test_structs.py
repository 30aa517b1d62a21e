# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Struct and union values: read as ctypes does, checked on every write."""

from __future__ import annotations

import copy
import ctypes
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pylibbpf import errors
from pylibbpf.btf import Btf, Kind, Opaque, StructValue, UnionValue
from pylibbpf.btf.codec import ArrayCodec, BoolCodec, BytesCodec, CharArrayCodec, Codec, EnumCodec, FloatCodec
from pylibbpf.btf.layout import Anonymous, BitField, StructCodec
from tests.btf.raw import BOOL, SIGNED, RawBtf, everything

pytestmark = pytest.mark.host("needs no kernel")

little_endian = sys.byteorder == "little"


def class_of(declare: Callable[[RawBtf], int]) -> Any:
    raw = RawBtf()
    type_id = declare(raw)
    with Btf.from_bytes(bytes(raw)) as btf:
        return btf.to_ctypes(type_id)


@pytest.fixture
def btf() -> Iterator[Btf]:
    with Btf.from_bytes(bytes(everything())) as btf:
        yield btf


@pytest.fixture
def event(btf: Btf) -> Any:
    """The class of a struct with a field of every common kind."""
    return btf.to_ctypes("struct event")


WHOLE: dict[str, Any] = {
    "pid": 42,
    "flags": 1,
    "comm": b"bash",
    "whole": 1 << 40,
    "where": {"x": -1, "y": 2},
    "color": "BLUE",
    "numbers": [1, 2, 3],
    "next": 0xFFFF_0000_0000_0000,
}
# The first four bytes of `whole`, a view of them.
HALF = 0 if little_endian else 1 << 8

# --- making ------------------------------------------------------------------------


def test_there_are_many_ways_to_make_one(event: Any) -> None:
    made = event(**WHOLE)
    assert bytes(made) == b"".join(
        (
            struct.pack("=iB16s3x", 42, 1, b"bash"),
            struct.pack("=Qii", 1 << 40, -1, 2),
            struct.pack("=I3IQ", 7, 1, 2, 3, 0xFFFF_0000_0000_0000),
        )
    )
    listed = [42, 1, b"bash", {"whole": 1 << 40}, (-1, 2), 7, (1, 2, 3), 0xFFFF_0000_0000_0000]
    for source in (WHOLE, listed, tuple(listed), made, bytes(made), bytearray(made)):
        same = event(source)
        assert same == made
        assert same is not made
    assert event.from_buffer_copy(bytes(made)) == made


def test_what_is_not_given_is_zero(event: Any) -> None:
    assert bytes(event()) == bytes(64)
    with pytest.raises(TypeError, match="not NoneType"):
        event(None)
    assert event(pid=1).comm == b""
    assert event(bytes(event(pid=7)), flags=2) == event(pid=7, flags=2)


def test_a_class_is_made_once_and_knows_its_type(btf: Btf, event: Any) -> None:
    assert btf.to_ctypes("struct event") is btf.to_ctypes(btf.find("event")) is event
    assert event.__name__ == "event"
    assert issubclass(event, StructValue)
    assert issubclass(event, ctypes.Structure)
    assert ctypes.sizeof(event) == 64
    constant = next(found for found in btf if found.kind is Kind.CONST)
    assert btf.to_ctypes(constant) is event
    with pytest.raises(TypeError, match="pid_t is no struct or union"):
        btf.to_ctypes("pid_t")


def test_a_mapping_needs_every_field_and_no_other(btf: Btf) -> None:
    codec = btf.codec("event")
    for name in WHOLE:
        less = {key: value for key, value in WHOLE.items() if key != name}
        # One field of the anonymous union is enough, and there is only one of it in WHOLE.
        names = "one of 'whole', 'half'" if name == "whole" else f"'{name}'"
        with pytest.raises(ValueError, match=f"^event: struct event lacks {names}"):
            codec.encode(less)
    with pytest.raises(ValueError, match=r"^event: struct event has no field 'pidd'; did you mean 'pid'"):
        codec.encode({**WHOLE, "pidd": 1})
    with pytest.raises(ValueError, match=r"^task\.event: struct event lacks 'pid', 'flags', 'comm'"):
        codec.encode({}, "task.event")


def test_a_sequence_has_a_value_for_each_member(btf: Btf) -> None:
    codec = btf.codec("event")
    with pytest.raises(ValueError, match="struct event takes 8 values, not 2"):
        codec.encode([1, 2])

    class Point(NamedTuple):
        x: int
        y: int

    assert btf.codec("point").encode(Point(1, 2)) == struct.pack("=ii", 1, 2)
    with pytest.raises(OverflowError, match=r"^point\.y: 2147483648 does not fit int"):
        btf.codec("point").encode((0, 1 << 31))


def test_other_values_are_no_struct(btf: Btf) -> None:
    codec = btf.codec("point")
    for value in (1, 1.0, "text", None, {1, 2}, iter([1, 2])):
        with pytest.raises(
            TypeError, match="struct point takes a dict with every field, a sequence, an inst"
        ):
            codec.encode(value)
    for size in (0, 7, 9):
        with pytest.raises(ValueError, match=f"struct point takes 8 bytes, not {size}"):
            codec.encode(bytes(size))


def test_a_struct_of_ones_own_of_the_size_is_taken(btf: Btf) -> None:
    class Pair(ctypes.Structure):
        _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_int))

    assert btf.codec("point").encode(Pair(1, 2)) == struct.pack("=ii", 1, 2)
    cls = btf.to_ctypes("point")

    class Named(cls):  # type: ignore[misc, valid-type]
        def length(self) -> int:
            return int(abs(self.x) + abs(self.y))

    assert Named(x=3, y=-4).length() == 7
    assert btf.codec("point").encode(Named(x=1)) == struct.pack("=ii", 1, 0)


# --- fields -------------------------------------------------------------------------


def test_fields_read_as_their_types(event: Any) -> None:
    made = event(WHOLE)
    assert (made.pid, made.flags, made.comm, made.whole, made.half) == (42, 1, b"bash", 1 << 40, HALF)
    assert (made.where.x, made.where.y) == (-1, 2)
    assert made.color.name == "BLUE"
    assert list(made.numbers) == [1, 2, 3]
    assert made.next == 0xFFFF_0000_0000_0000


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        (
            "pid",
            1 << 31,
            OverflowError,
            r"event\.pid: 2147483648 does not fit pid_t \(-2147483648 to",
        ),
        ("flags", 300, OverflowError, r"event\.flags: 300 does not fit unsigned char \(0 to 255\)"),
        ("flags", -1, OverflowError, r"event\.flags: -1 does not fit"),
        ("pid", 1.0, TypeError, r"event\.pid: pid_t takes an int, not float"),
        ("comm", b"x" * 17, ValueError, r"event\.comm: char\[16\] takes 16 bytes at most, not 17"),
        ("comm", "bash", TypeError, r"event\.comm: char\[16\] takes bytes, not str; encode it"),
        ("numbers", [1, 2], ValueError, r"event\.numbers: unsigned int\[3\] takes 3 values, not 2"),
        ("numbers", [1, 2, -3], OverflowError, r"event\.numbers\[2\]: -3 does not fit unsigned int"),
        ("where", {"x": 1}, ValueError, r"event\.where: struct point lacks 'y'"),
        ("where", {"x": 1, "y": 1 << 31}, OverflowError, r"event\.where\.y: 2147483648 does not fit int"),
        ("where", 1, TypeError, r"event\.where: struct point takes a dict"),
        ("color", "PINK", ValueError, r"event\.color: enum color has no 'PINK'"),
        ("half", 1 << 32, OverflowError, r"event\.half: 4294967296 does not fit unsigned int"),
        ("next", None, TypeError, r"event\.next: void \* takes an int, not NoneType"),
    ],
)
def test_a_value_that_does_not_fit_names_its_field_and_writes_nothing(
    event: Any, name: str, value: object, error: type[Exception], message: str
) -> None:
    made = event(WHOLE)
    before = bytes(made)
    with pytest.raises(error, match=f"^{message}"):
        setattr(made, name, value)
    assert bytes(made) == before
    with pytest.raises(error, match=f"^{message}"):
        event(**{"pid": 1, name: value})


def test_an_unknown_field_is_an_attribute_error(event: Any) -> None:
    made = event()
    with pytest.raises(AttributeError, match="struct event has no field 'comn'; did you mean 'comm'"):
        made.comn = b"x"
    with pytest.raises(AttributeError):
        made.comn
    with pytest.raises(AttributeError, match="it has 'pid', 'flags', 'comm', 'whole', 'half'"):
        made.zzz = 1
    with pytest.raises(TypeError, match="struct event has no field 'comn'"):
        event(comn=b"x")
    assert not hasattr(made, "__dict__")


def test_a_shorter_char_array_is_zero_filled(event: Any) -> None:
    made = event(comm=b"a long command")
    made.comm = b"sh"
    assert made.comm == b"sh"
    assert bytes(made)[5:21] == b"sh".ljust(16, b"\0")
    made.comm = b"with\0inside"
    assert made.comm == b"with"
    assert bytes(made)[5:21] == b"with\0inside".ljust(16, b"\0")
    made.comm = b"x" * 16
    assert made.comm == b"x" * 16
    assert made.whole == 0


def test_nested_structs_take_dicts_sequences_and_instances(btf: Btf, event: Any) -> None:
    point = btf.to_ctypes("point")
    made = event()
    for value in ({"x": 1, "y": 2}, (1, 2), [1, 2], point(x=1, y=2), struct.pack("=ii", 1, 2)):
        made.where = value
        assert (made.where.x, made.where.y) == (1, 2)
        made.where = (0, 0)
    made.where.x = 5
    assert made.where == point(x=5)
    with pytest.raises(OverflowError, match=r"^point\.x: "):
        made.where.x = 1 << 31
    with pytest.raises(AttributeError):
        made.where.z = 1
    made.where = made.where
    assert made.where.x == 5


def test_arrays_share_memory_and_are_checked(event: Any) -> None:
    made = event(WHOLE)
    numbers = made.numbers
    numbers[0] = 10
    numbers[-1] = 30
    assert made.numbers == [10, 2, 30] == made.numbers.tolist()
    numbers[1:] = [7, 8]
    assert numbers == (10, 7, 8)
    before = bytes(made)
    with pytest.raises(OverflowError, match=r"^event\.numbers\[1\]: -1 does not fit unsigned int"):
        numbers[1] = -1
    with pytest.raises(TypeError, match=r"^event\.numbers\[2\]: "):
        numbers[2] = 1.5
    with pytest.raises(ValueError, match=r"^event\.numbers: a slice of 2 takes 2 values, not 3"):
        numbers[:2] = [1, 2, 3]
    with pytest.raises(OverflowError, match=r"^event\.numbers\[1\]"):
        numbers[:2] = [1, -1]
    with pytest.raises(IndexError, match=r"event\.numbers has 3 elements, and no \[3\]"):
        numbers[3] = 1
    with pytest.raises(IndexError):
        numbers[3]
    assert bytes(made) == before
    assert numbers != [1, 2, 3]
    assert numbers != 5
    assert repr(numbers) == "[10, 7, 8]"
    assert len(numbers) == 3


def test_an_instance_may_share_the_memory_of_a_buffer(event: Any) -> None:
    memory = bytearray(200)
    made = event.from_buffer(memory, 8)
    made.pid = 7
    made.numbers[1] = 9
    assert memory[8:12] == struct.pack("=i", 7)
    memory[8:12] = struct.pack("=i", 8)
    assert made.pid == 8
    with pytest.raises(ValueError):
        event.from_buffer(memory, 190)
    with pytest.raises(ValueError):
        event.from_buffer_copy(bytes(63))
    with pytest.raises(BufferError):
        memory.clear()


def test_the_codec_decodes_and_views(btf: Btf, event: Any) -> None:
    codec = btf.codec("event")
    memory = bytearray(b"x" + codec.encode(WHOLE))
    made = codec.decode(memory, 1)
    assert type(made) is event
    assert made == event(WHOLE)
    memory[1] = 0
    assert made.pid == 42
    shared = codec.view(memory, 1)
    shared.flags = 9
    assert memory[5] == 9
    with pytest.raises(ValueError):
        codec.decode(bytes(63))


# --- value ------------------------------------------------------------------------


def test_equality_is_by_value(btf: Btf, event: Any) -> None:
    made = event(WHOLE)
    assert made == event(WHOLE)
    assert made != event()
    # Holes do not count.
    holey = bytearray(bytes(made))
    holey[21] = 0xFF
    assert event.from_buffer_copy(holey) == made
    assert made != WHOLE
    assert btf.to_ctypes("point")() != made
    with pytest.raises(TypeError, match="unhashable"):
        hash(made)


def test_the_repr_is_for_people(btf: Btf, event: Any) -> None:
    assert repr(event(WHOLE)) == (
        f"event(pid=42, flags=1, comm=b'bash', whole=1099511627776, half={HALF}, where=point(x=-1, y=2), "
        "color=BLUE, numbers=[1, 2, 3], next=18446462598732840960)"
    )
    many = class_of(lambda raw: raw.struct("many", 400, ("all", raw.array(raw.integer("int", 4), 100), 0)))
    assert repr(many()) == f"many(all=[{'0, ' * 16}... 84 more])"


def test_asdict_is_plain_python_and_goes_back(event: Any) -> None:
    made = event(WHOLE)
    plain = made.asdict()
    assert plain == {**WHOLE, "half": HALF, "color": 7}
    assert type(plain["where"]) is dict
    assert type(plain["numbers"]) is list
    assert event(plain) == made


def test_copies_are_independent(event: Any) -> None:
    made = event(WHOLE)
    for other in (copy.copy(made), copy.deepcopy(made)):
        other.pid = 1
        other.where.x = 9
        assert (made.pid, made.where.x) == (42, -1)


# --- unions -------------------------------------------------------------------------


def union_of(raw: RawBtf) -> int:
    u8, u32, u64 = raw.integer("u8", 1), raw.integer("u32", 4), raw.integer("u64", 8)
    halves = raw.struct("halves", 8, ("low", u32, 0), ("high", u32, 32))
    return raw.union("either", 8, ("whole", u64, 0), ("halves", halves, 0), ("first", u8, 0))


def test_a_union_has_views_of_the_same_bytes() -> None:
    either = class_of(union_of)
    assert issubclass(either, UnionValue)
    made = either(whole=1 | 2 << 32)
    low, high = (1, 2) if little_endian else (2, 1)
    assert (made.halves.low, made.halves.high) == (low, high)
    made.first = 7
    assert bytes(made)[0] == 7
    assert either({"halves": {"low": low, "high": high}}) == either(whole=1 | 2 << 32)
    assert repr(either(whole=0)) == "either(whole=0, halves=halves(low=0, high=0), first=0)"


def test_a_union_takes_one_field_or_several_that_agree() -> None:
    either = class_of(union_of)
    codec = either.__codec__
    assert codec.encode({"first": 5}) == b"\5" + bytes(7)
    for value in (0, 1, (1 << 64) - 1):
        made = either(whole=value)
        assert either(made.asdict()) == made
    with pytest.raises(
        ValueError, match=r"'whole' and 'first' are views of the same bytes .*, and do not agree"
    ):
        codec.encode({"whole": 0, "first": 5})
    with pytest.raises(ValueError, match="union either lacks one of 'whole', 'halves', 'first'"):
        codec.encode({})
    with pytest.raises(TypeError, match="takes a dict that names the field, not a sequence"):
        codec.encode([1, 2, 3])
    assert codec.encode(bytes(8)) == bytes(8)


def test_fields_of_anonymous_members_are_reached_directly() -> None:
    def declare(raw: RawBtf) -> int:
        u32, u8 = raw.integer("u32", 4), raw.integer("u8", 1)
        color = raw.enum("color", 4, {"RED": 1})
        inner = raw.struct("", 8, ("a", u32, 0), ("color", color, 32))
        bits = raw.struct("", 4, ("low", u8, 0, 3), ("high", u8, 3, 5))
        union = raw.union("", 8, ("", inner, 0), ("wide", raw.integer("u64", 8), 0), ("", bits, 0))
        return raw.struct("outer", 16, ("head", u32, 0), ("", union, 64))

    outer = class_of(declare)
    made = outer(head=1, a=2, color="RED")
    assert (made.head, made.a, made.color.name) == (1, 2, "RED")
    assert bytes(made) == struct.pack("=I4xII", 1, 2, 1)
    made.high = 31
    made.low = 1
    assert bytes(made)[8] == (31 << 3 | 1 if little_endian else 1 << 5 | 31)
    made.color = 5
    assert made.color == 5
    assert list(outer().asdict()) == ["head", "a", "color", "wide", "low", "high"]
    codec = outer.__codec__
    assert codec.encode({"head": 1, "wide": 0}) == struct.pack("=I12x", 1)
    with pytest.raises(ValueError, match="lacks 'color'"):
        codec.encode({"head": 1, "a": 2})
    with pytest.raises(ValueError, match="lacks 'head'"):
        codec.encode({"wide": 1})
    with pytest.raises(
        ValueError, match=r"^outer: struct outer lacks one of 'a', 'color', 'wide', 'low', 'high'"
    ):
        codec.encode({"head": 1})
    assert codec.encode([1, {"wide": 3}]) == struct.pack("=I4xQ", 1, 3)
    assert outer(made.asdict()) == made
    made.a = 0xFFFFFFFF  # bits where 'low' and 'high' have none
    assert outer(made.asdict()) == made


# --- bits, 128 bits and other things that ctypes has not ------------------------------


def test_bitfields_keep_their_neighbours() -> None:
    def declare(raw: RawBtf) -> int:
        u32, s32 = raw.integer("u32", 4), raw.integer("int", 4, SIGNED)
        boolean, color = raw.integer("_Bool", 1, BOOL), raw.enum("color", 4, {"RED": 1, "BLUE": 2})
        return raw.struct(
            "bits", 8, ("a", u32, 0, 3), ("b", s32, 3, 5), ("c", u32, 8, 17), ("on", boolean, 25, 1),
            ("color", color, 26, 2), ("tail", u32, 32),
        )  # fmt: skip

    bits = class_of(declare)
    made = bits(a=5, b=-3, c=0x1FFFF, on=True, color="BLUE", tail=9)
    assert (made.a, made.b, made.c, made.on, made.color.name, made.tail) == (5, -3, 0x1FFFF, True, "BLUE", 9)
    made.b = 7
    made.on = False
    assert (made.a, made.b, made.c, made.on, made.color, made.tail) == (5, 7, 0x1FFFF, False, 2, 9)
    if little_endian:
        assert struct.unpack("=II", bytes(made)) == (5 | 7 << 3 | 0x1FFFF << 8 | 2 << 26, 9)
    before = bytes(made)
    for name, value, message in (
        ("a", 8, r"bits\.a: 8 does not fit u32 : 3 \(0 to 7\)"),
        ("b", 16, r"bits\.b: 16 does not fit int : 5 \(-16 to 15\)"),
        ("on", 2, r"bits\.on: 2 does not fit _Bool : 1 \(0 to 1\)"),
        ("color", 4, r"bits\.color: 4 does not fit enum color : 2"),
    ):
        with pytest.raises(OverflowError, match=f"^{message}"):
            setattr(made, name, value)
    with pytest.raises(TypeError):
        made.a = 1.0
    assert bytes(made) == before
    assert bits(made.asdict()) == made
    assert bits([5, 7, 0x1FFFF, 0, 2, 9]) == made


@pytest.mark.host("a property test of some seconds")
@settings(deadline=None)
@given(st.data())
def test_bitfields_of_any_width_at_any_bit(data: st.DataObject) -> None:
    widths = data.draw(st.lists(st.integers(1, 64), min_size=1, max_size=8))
    gaps = data.draw(st.lists(st.integers(0, 9), min_size=len(widths), max_size=len(widths)))
    raw = RawBtf()
    number = raw.integer("long", 8, data.draw(st.sampled_from([0, SIGNED])))
    members, at = [], 0
    for index, (width, gap) in enumerate(zip(widths, gaps, strict=True)):
        members.append((f"f{index}", number, at + gap, width))
        at += gap + width
    size = (at + 7) // 8
    raw.struct("bits", size, *members)
    with Btf.from_bytes(bytes(raw)) as btf:
        cls: Any = btf.to_ctypes("bits")
        signed = btf.find("long").signed  # type: ignore[attr-defined]
    made, expected = cls(), {}
    for name, _, _, width in data.draw(st.permutations(members)):
        low = -(1 << width - 1) if signed else 0
        expected[name] = data.draw(st.integers(low, low + (1 << width) - 1))
        setattr(made, name, expected[name])
    assert {name: getattr(made, name) for name in expected} == expected
    if little_endian:
        whole = 0
        for name, _, offset, width in members:
            whole |= (expected[name] & (1 << width) - 1) << offset
        assert bytes(made) == whole.to_bytes(size, "little")
    assert cls(expected) == made


def test_bitfields_of_old_compilers_have_their_width_in_the_integer() -> None:
    def declare(raw: RawBtf) -> int:
        three = raw.integer("unsigned int", 4, bits=3)
        return raw.struct("bits", 4, ("a", three, 0), ("b", three, 3), ("c", raw.integer("u8", 1), 8))

    made = class_of(declare)(a=1, b=2, c=3)
    assert (made.a, made.b, made.c) == (1, 2, 3)
    if little_endian:
        assert bytes(made) == bytes([1 | 2 << 3, 3, 0, 0])


def test_128_bits_floats_and_bools_are_fields(btf: Btf) -> None:
    mixed: Any = btf.to_ctypes("mixed")
    value = {"u": (1 << 128) - 1, "f": 0.5, "d": -1e300, "b": True, "s": "MINUS", "w": "HUGE", "l": -1}
    made = mixed(value)
    assert (made.u, made.f, made.d, made.b, made.l) == ((1 << 128) - 1, 0.5, -1e300, True, -1)
    assert (made.s.name, made.w.name) == ("MINUS", "HUGE")
    made.u = 7
    assert made.u == 7
    with pytest.raises(OverflowError, match=r"^mixed\.u: .* does not fit unsigned __int128"):
        made.u = 1 << 128
    with pytest.raises(OverflowError, match=r"^mixed\.f: "):
        made.f = 1e300
    with pytest.raises(OverflowError, match=r"^mixed\.b: 2 does not fit _Bool"):
        made.b = 2
    assert mixed(made.asdict()) == made


def test_arrays_of_what_ctypes_has_not() -> None:
    def declare(raw: RawBtf) -> int:
        color = raw.enum("color", 4, {"RED": 1, "BLUE": 2})
        wide = raw.integer("u128", 16)
        name = raw.array(raw.integer("char", 1), 4)
        pair = raw.struct("pair", 2, ("x", raw.integer("u8", 1), 0), ("y", raw.integer("u8", 1), 8))
        return raw.struct(
            "arrays", 64, ("colors", raw.array(color, 2), 0), ("wide", raw.array(wide, 2), 128),
            ("names", raw.array(name, 2), 384), ("pairs", raw.array(pair, 2), 448),
        )  # fmt: skip

    arrays = class_of(declare)
    pairs = [(1, 2), {"x": 3, "y": 4}]
    made = arrays(colors=["RED", 5], wide=[1, 1 << 100], names=[b"ab", b"cdef"], pairs=pairs)
    assert [repr(color) for color in made.colors] == ["RED", "5"]
    assert made.colors[:1][0].name == "RED"
    assert list(made.wide) == [1, 1 << 100]
    assert list(made.names) == [b"ab", b"cdef"]
    assert [pair.y for pair in made.pairs] == [2, 4]
    made.names[1] = b"x"
    made.colors[1] = "BLUE"
    made.wide[0] = 9
    made.pairs[0] = (7, 8)
    made.pairs[1].x = 6
    assert made.names == [b"ab", b"x"]
    assert made.asdict() == {
        "colors": [1, 2],
        "wide": [9, 1 << 100],
        "names": [b"ab", b"x"],
        "pairs": [{"x": 7, "y": 8}, {"x": 6, "y": 4}],
    }
    with pytest.raises(ValueError, match=r"^arrays\.names\[0\]: char\[4\] takes 4 bytes at most, not 5"):
        made.names[0] = b"abcde"
    with pytest.raises(OverflowError, match=r"^arrays\.pairs\[1\]\.x: 256 does not fit u8"):
        made.pairs[1] = (256, 0)
    assert arrays(made.asdict()) == made


def test_flexible_and_empty_members_have_no_bytes() -> None:
    def declare(raw: RawBtf) -> int:
        u32 = raw.integer("u32", 4)
        nothing = raw.struct("nothing", 0)
        return raw.struct(
            "message", 4, ("empty", nothing, 0), ("start", raw.array(u32, 0), 0), ("length", u32, 0),
            ("data", raw.array(raw.integer("char", 1), 0), 32), ("words", raw.array(u32, 0), 32),
        )  # fmt: skip

    message = class_of(declare)
    made = message(length=5)
    assert (made.length, made.data, list(made.words), list(made.start)) == (5, b"", [], [])
    assert message({"length": 5}) == message([5]) == made
    assert message(made.asdict()) == made
    with pytest.raises(ValueError):
        made.data = b"x"
    empty = class_of(lambda raw: raw.struct("nothing", 0))
    assert bytes(empty()) == b""
    assert empty() == empty({})


def test_packed_and_overaligned_structs_lie_as_btf_says() -> None:
    def packed(raw: RawBtf) -> int:
        u8, u64 = raw.integer("u8", 1), raw.integer("u64", 8)
        inner = raw.struct("inner", 9, ("a", u8, 0), ("b", u64, 8))
        return raw.struct("packed", 32, ("c", u8, 0), ("inner", inner, 8), ("d", u64, 3 * 64))

    made = class_of(packed)(c=1, inner={"a": 2, "b": 3}, d=4)
    assert bytes(made) == struct.pack("=BBQ14xQ", 1, 2, 3, 4)


def test_what_only_the_kernel_may_touch_is_opaque_and_need_not_be_given() -> None:
    raw = RawBtf()
    u32 = raw.integer("unsigned int", 4)
    task = raw.struct("task_struct", 4, ("pid", u32, 0))
    pointers = {
        name: raw.refer(Kind.PTR, raw.refer(Kind.TYPE_TAG, task, tag))
        for name, tag in {"kept": "kptr", "percpu": "percpu_kptr", "user": "user"}.items()
    }
    lock = raw.struct("bpf_spin_lock", 4, ("val", u32, 0))
    timer = raw.struct("bpf_timer", 16, ("__opaque", raw.array(u32, 4), 0))
    raw.struct(
        "value",
        56,
        ("lock", lock, 0),
        ("count", u32, 32),
        ("timer", timer, 64),
        ("kept", pointers["kept"], 192),
        ("percpu", pointers["percpu"], 256),
        ("user", pointers["user"], 320),
        ("last", lock, 384),
    )
    with Btf.from_bytes(bytes(raw)) as btf:
        codec = btf.codec("struct value")
        cls = btf.to_ctypes("struct value")
        encoded = codec.encode({"count": 7, "user": 1})
        assert encoded == codec.encode((7, 1)) == bytes(cls(count=7, user=1))
        value = codec.decode(encoded)
        assert isinstance(value.lock, Opaque)
        assert repr(value) == (
            "value(lock=<struct bpf_spin_lock>, count=7, timer=<struct bpf_timer>, "
            "kept=<struct task_struct * __kptr>, percpu=<struct task_struct * __percpu_kptr>, user=1, "
            "last=<struct bpf_spin_lock>)"
        )
        assert codec.encode(value.asdict()) == encoded
        with pytest.raises(TypeError, match=r"value\.kept.*leave it out"):
            value.kept = 5
        with pytest.raises(ValueError, match="lacks 'user'"):
            codec.encode({"count": 7})
        # By itself it is a struct like any other.
        assert btf.codec("struct bpf_spin_lock").decode(bytes(4)).val == 0


def test_names_that_python_needs_get_an_underscore() -> None:
    taken = ["asdict", "_fields_", "__class__", "__init__", "_b_base_", "from_buffer"]
    names = [*taken, "class", "__reserved", "self", "value"]

    def declare(raw: RawBtf) -> int:
        u8 = raw.integer("u8", 1)
        return raw.struct("odd", len(names), *[(name, u8, 8 * index) for index, name in enumerate(names)])

    odd = class_of(declare)
    made = odd(**{"asdict_": 1, "_fields__": 2, "class": 3, "__reserved": 4, "self": 5, "value": 6})
    assert (made.asdict_, made._fields__, getattr(made, "class")) == (1, 2, 3)
    assert type(made) is odd
    assert list(made.asdict()) == [*(f"{name}_" for name in taken), *names[len(taken) :]]


def test_names_that_are_no_text_survive() -> None:
    def declare(raw: RawBtf) -> int:
        color = raw.enum("e\udcff", 4, {"V\udcff": 1})
        return raw.struct("s\udcff", 8, ("m\udcff", color, 0), ("a", raw.array(color, 1), 32))

    made = class_of(declare)(**{r"m\udcff": "V\udcff"})
    assert getattr(made, r"m\udcff").name == "V\udcff"
    assert type(made).__name__ == r"s\udcff"
    assert made.a == [0]


def test_completion_offers_fields_and_no_storage(event: Any) -> None:
    offered = dir(event())
    assert {"pid", "color", "asdict"} <= set(offered)
    assert all(name.isidentifier() for name in offered)


def test_an_anonymous_struct_has_the_name_of_its_typedef_or_member() -> None:
    def declare(raw: RawBtf) -> int:
        u8 = raw.integer("u8", 1)
        inner = raw.struct("", 1, ("a", u8, 0))
        return raw.refer(Kind.TYPEDEF, raw.struct("", 1, ("inner", inner, 0)), "thing_t")

    assert repr(class_of(declare)()) == "thing_t(inner=inner(a=0))"


# --- layout that makes no sense -------------------------------------------------------


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (lambda raw, u32: raw.struct("s", 4, ("a", u32, 8)), "'a' lies outside of it"),
        (lambda raw, u32: raw.struct("s", 8, ("a", u32, 0), ("b", u32, 24)), "'b' overlaps"),
        (lambda raw, u32: raw.struct("s", 8, ("a", u32, 1)), "begins inside of a byte"),
        (lambda raw, u32: raw.struct("s", 8, ("a", u32, 0), ("a", u32, 32)), "same name"),
        (lambda raw, u32: raw.union("s", 8, ("a", u32, 32)), "lies outside"),
        (lambda raw, u32: raw.struct("s", 8, ("a", u32, 0, 40)), "bitfield of 40 bits"),
        (lambda raw, u32: raw.struct("s", 8, ("a", u32 + 1, 0)), "part of itself"),
        (lambda raw, u32: raw.array(raw.array(u32, (1 << 32) - 1), 16), "array of"),
        (lambda raw, u32: raw.struct("s", 4, ("a", raw.enum("e", 3, {}), 0)), "enum of 3 bytes"),
        (lambda raw, u32: raw.struct("s", 4, ("a", raw.integer("i", 0), 0)), "number of 0 bytes"),
        (lambda raw, u32: raw.struct("s", 8, ("a", 0, 0)), "void has no values"),
        (lambda raw, u32: raw.struct("s", 8, ("a", raw.datasec(".bss", 8), 0)), "has no values"),
        (lambda raw, u32: raw.array(raw.refer(Kind.CONST, raw.func_proto(u32)), 2), "has no values"),
    ],
)
def test_malformed_layouts_are_format_errors(declare: Callable[[RawBtf, int], int], why: str) -> None:
    raw = RawBtf()
    type_id = declare(raw, raw.integer("u32", 4))
    with Btf.from_bytes(bytes(raw)) as btf, pytest.raises(errors.FormatError, match=why):
        btf.codec(type_id)


# --- any struct -----------------------------------------------------------------------


@st.composite
def member_type(draw: st.DrawFn, raw: RawBtf, depth: int) -> tuple[int, int]:
    """A random type and its size."""
    nesting = ["struct", "union", "array"] if depth else []
    kind = draw(st.sampled_from(["integer", "chars", "bool", "float", "enum", *nesting]))
    if kind == "integer":
        size = draw(st.sampled_from([1, 2, 4, 8, 16]))
        return raw.integer(f"i{size}", size, draw(st.sampled_from([0, SIGNED]))), size
    if kind == "chars":
        length = draw(st.integers(0, 5))
        return raw.array(raw.integer("char", 1), length), length
    if kind == "bool":
        return raw.integer("_Bool", 1, BOOL), 1
    if kind == "float":
        size = draw(st.sampled_from([4, 8]))
        return raw.floating("real", size), size
    if kind == "enum":
        size = draw(st.sampled_from([1, 2, 4, 8]))
        return raw.enum("choice", size, {"A": 0, "B": 3}), size
    if kind == "array":
        element, size = draw(member_type(raw, depth - 1))
        length = draw(st.integers(0, 3))
        return raw.array(element, length), size * length
    made: tuple[int, int] = draw(composite(raw, Kind[kind.upper()], depth - 1))
    return made


@st.composite
def composite(draw: st.DrawFn, raw: RawBtf, kind: Kind, depth: int, name: str = "") -> tuple[int, int]:
    """A random struct or union, of members at offsets that a compiler may or may not choose, and its size."""
    members: list[tuple[str, int, int, int]] = []
    end = bits = 0
    for _ in range(draw(st.integers(0, 4))):
        start = 0 if kind is Kind.UNION else end + draw(st.integers(0, 9))
        if draw(st.booleans()):
            type_id, width = (
                raw.integer("word", 4, draw(st.sampled_from([0, SIGNED]))),
                draw(st.integers(1, 32)),
            )
            members.append((f"f{len(raw.types)}", type_id, start, width))
            end = start + width
        else:
            type_id, size = draw(member_type(raw, depth))
            start = (start + 7) // 8 * 8
            anonymous = is_composite(raw, type_id) and draw(st.booleans())
            members.append(("" if anonymous else f"f{len(raw.types)}", type_id, start, 0))
            end = start + 8 * size
        bits = max(bits, end)
    size = (bits + 7) // 8 + draw(st.integers(0, 2))
    return raw.composite(kind, name, size, members), size


def is_composite(raw: RawBtf, type_id: int) -> bool:
    info = struct.unpack_from("=I", raw.types[type_id - 1], 4)[0]
    return info >> 24 & 0x1F in (Kind.STRUCT, Kind.UNION)


def field_values(codec: Codec) -> st.SearchStrategy[Any]:
    if isinstance(codec, StructCodec):
        return struct_values(codec)
    if isinstance(codec, ArrayCodec):
        return st.lists(field_values(codec.element), min_size=codec.length, max_size=codec.length)
    if isinstance(codec, CharArrayCodec):
        return st.binary(max_size=codec.size).map(lambda value: value.partition(b"\0")[0])
    if isinstance(codec, BoolCodec):
        return st.booleans()
    if isinstance(codec, FloatCodec):
        return st.floats(width=32 if codec.size == 4 else 64, allow_nan=False)
    if isinstance(codec, BytesCodec):
        return st.binary(min_size=codec.size, max_size=codec.size)
    if isinstance(codec, EnumCodec):
        return st.sampled_from([0, 3, 1])
    low = -(1 << 8 * codec.size - 1) if codec.signed else 0  # type: ignore[attr-defined]
    return st.integers(low, low + (1 << 8 * codec.size) - 1)


def struct_values(codec: StructCodec) -> st.SearchStrategy[dict[str, Any]]:
    parts: list[st.SearchStrategy[dict[str, Any]]] = []
    for member in codec.members:
        if isinstance(member, Anonymous):
            # One without members is nothing to choose in a union.
            if member.codec.fields:
                parts.append(struct_values(member.codec))
            continue
        values = field_values(member.codec)
        if isinstance(member, BitField):
            low = -(1 << member.width - 1) if member.codec.signed else 0  # type: ignore[attr-defined]
            values = st.integers(low, low + (1 << member.width) - 1)
        parts.append(st.fixed_dictionaries({member.name: values}))
    if codec.union:
        return st.one_of(parts) if parts else st.just({})
    return st.tuples(*parts).map(
        lambda dicts: {name: value for part in dicts for name, value in part.items()}
    )


def reads_as(value: Any, expected: Any) -> bool:
    if isinstance(expected, Mapping):
        return all(reads_as(getattr(value, name), item) for name, item in expected.items())
    if isinstance(expected, list):
        return len(value) == len(expected) and all(map(reads_as, value, expected))
    return bool(value == expected)


@pytest.mark.host("a property test of some seconds")
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_struct_round_trips_any_value(data: st.DataObject) -> None:
    raw = RawBtf()
    type_id, size = data.draw(
        composite(raw, data.draw(st.sampled_from([Kind.STRUCT, Kind.UNION])), 2, "subject")
    )
    with Btf.from_bytes(bytes(raw)) as btf:
        codec = btf.codec(type_id)
        assert isinstance(codec, StructCodec)
        btf.c_dump(type_id)
    assert codec.size == size == ctypes.sizeof(codec.cls)
    value = data.draw(struct_values(codec))
    encoded = codec.encode(value)
    assert len(encoded) == size
    made = codec.decode(encoded)
    assert reads_as(made, value)
    assert codec.encode(made) == codec.encode(encoded) == encoded
    # The same, field by field.
    other: Any = codec.cls()
    for name, item in value.items():
        setattr(other, name, item)
    assert other == made
    assert repr(other) == repr(made)
    assert copy.copy(made) == made
