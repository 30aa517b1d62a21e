# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Codecs: every value that fits comes back, every other is an error that names it."""

from __future__ import annotations

import array
import math
import struct
import sys
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pylibbpf import errors
from pylibbpf._native import ffi
from pylibbpf.btf import Btf, Codec, Kind, bytes_codec, codec_for
from tests.btf.raw import BOOL, CHAR, SIGNED, RawBtf, everything

pytestmark = pytest.mark.host("needs no kernel")


def codec_of(declare: Callable[[RawBtf], int]) -> Codec:
    raw = RawBtf()
    type_id = declare(raw)
    with Btf.from_bytes(bytes(raw)) as btf:
        return codec_for(btf, type_id)


def integer(size: int, signed: bool) -> Codec:
    return codec_of(lambda raw: raw.integer("number", size, SIGNED if signed else 0))


INTEGERS = {(size, signed): integer(size, signed) for size in (1, 2, 3, 4, 8, 16) for signed in (False, True)}
CHARS = codec_of(lambda raw: raw.array(raw.integer("char", 1, SIGNED), 16))
U32S = codec_of(lambda raw: raw.array(raw.integer("u32", 4), 3))
BOOLEAN = codec_of(lambda raw: raw.integer("_Bool", 1, BOOL))
FLOAT = codec_of(lambda raw: raw.floating("float", 4))
DOUBLE = codec_of(lambda raw: raw.floating("double", 8))
COLOR = codec_of(lambda raw: raw.enum("color", 4, {"RED": 0, "GREEN": 1, "BLUE": 7}))


@pytest.fixture
def btf() -> Iterator[Btf]:
    with Btf.from_bytes(bytes(everything())) as btf:
        yield btf


# --- integers --------------------------------------------------------------------


@settings(deadline=None)
@given(st.sampled_from(sorted(INTEGERS)), st.integers(-(1 << 130), 1 << 130))
def test_an_integer_fits_and_comes_back_or_is_an_error(kind: tuple[int, bool], value: int) -> None:
    size, signed = kind
    codec = INTEGERS[kind]
    low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)
    value = value if low <= value <= high or value % 3 else low + value % (high - low + 1)
    if low <= value <= high:
        encoded = codec.encode(value)
        assert encoded == value.to_bytes(size, sys.byteorder, signed=signed)
        assert codec.decode(encoded) == value
        assert codec.decode(b"xx" + encoded + b"x", 2) == value
        assert codec.encode(encoded) == encoded
    else:
        with pytest.raises(OverflowError) as caught:
            codec.encode(value, "event.count")
        assert str(caught.value) == f"event.count: {value} does not fit number ({low} to {high})"


@pytest.mark.parametrize("codec", INTEGERS.values(), ids=str)
def test_an_integer_takes_no_other_kind_of_value(codec: Codec) -> None:
    for value in (1.0, 1.5, "1", None, [1], {"a": 1}, 1j, object()):
        with pytest.raises(TypeError, match="number takes an int, not"):
            codec.encode(value)
    with pytest.raises(TypeError, match=r"event\.count: number takes an int, not float \(1\.0\)"):
        codec.encode(1.0, "event.count")


def test_what_acts_as_an_int_is_one() -> None:
    class Index:
        def __index__(self) -> int:
            return 7

    class Answer(IntEnum):
        YES = 1

    for codec in INTEGERS.values():
        assert codec.decode(codec.encode(Index())) == 7
        assert codec.decode(codec.encode(Answer.YES)) == 1
        assert codec.decode(codec.encode(True)) == 1


def test_an_enormous_int_has_a_short_message() -> None:
    with pytest.raises(OverflowError, match="an int of 33220 bits does not fit"):
        INTEGERS[4, False].encode(10**10_000)
    with pytest.raises(OverflowError, match="an int of 33220 bits does not fit"):
        FLOAT.encode(10**10_000)


def test_buffers_are_taken_if_they_have_the_size() -> None:
    codec = INTEGERS[4, False]
    raw = b"\1\2\3\4"
    for buffer in (
        raw,
        bytearray(raw),
        memoryview(raw),
        array.array("B", raw),
        ffi.buffer(ffi.new("char[4]", raw)),
    ):
        assert codec.encode(buffer) == raw
    for short in (b"", b"\1\2\3", b"\1\2\3\4\5"):
        with pytest.raises(ValueError, match=f"number takes 4 bytes, not {len(short)}"):
            codec.encode(short)


def test_a_short_buffer_cannot_be_decoded() -> None:
    for codec in (*INTEGERS.values(), CHARS, U32S, BOOLEAN, FLOAT, COLOR, bytes_codec(3)):
        assert codec.decode(bytes(codec.size + 2), 2) is not None
        with pytest.raises(
            ValueError, match=f"takes {codec.size} bytes, and the buffer has {codec.size - 1} at 3"
        ):
            codec.decode(bytes(codec.size + 2), 3)


def test_any_buffer_can_be_decoded() -> None:
    raw = (1).to_bytes(4, sys.byteorder)
    for buffer in (raw, bytearray(raw), memoryview(raw), ffi.buffer(ffi.new("char[4]", raw))):
        assert INTEGERS[4, False].decode(buffer) == 1


# --- bool, float, enum ----------------------------------------------------------------


def test_a_bool_is_true_false_one_or_zero() -> None:
    assert [BOOLEAN.encode(value) for value in (True, False, 1, 0, b"\1")] == [
        b"\1",
        b"\0",
        b"\1",
        b"\0",
        b"\1",
    ]
    assert [BOOLEAN.decode(raw) for raw in (b"\0", b"\1", b"\2")] == [False, True, True]
    assert BOOLEAN.decode(b"\1") is True
    with pytest.raises(OverflowError, match=r"flags\.on: 2 does not fit _Bool \(0 to 1\)"):
        BOOLEAN.encode(2, "flags.on")
    refused: tuple[object, ...] = (1.0, "yes", None, [])
    for value in refused:
        with pytest.raises(TypeError):
            BOOLEAN.encode(value)


@settings(deadline=None)
@given(st.floats())
def test_a_double_comes_back(value: float) -> None:
    decoded = DOUBLE.decode(DOUBLE.encode(value))
    assert decoded == value or (math.isnan(decoded) and math.isnan(value))


@settings(deadline=None)
@given(st.floats(width=32))
def test_a_float_comes_back(value: float) -> None:
    decoded = FLOAT.decode(FLOAT.encode(value))
    assert decoded == value or (math.isnan(decoded) and math.isnan(value))


def test_a_float_that_is_too_large_is_an_error() -> None:
    with pytest.raises(OverflowError, match=r"1e\+300 does not fit float"):
        FLOAT.encode(1e300)
    assert FLOAT.decode(FLOAT.encode(3)) == 3.0
    for value in ("1.0", None, 1j):
        with pytest.raises(TypeError, match="float takes a float, not"):
            FLOAT.encode(value)


def test_a_long_double_is_bytes() -> None:
    codec = codec_of(lambda raw: raw.floating("long double", 16))
    assert codec.decode(bytes(range(16))) == bytes(range(16))
    assert codec.encode(bytes(16)) == bytes(16)
    with pytest.raises(TypeError, match="long double takes bytes, not float"):
        codec.encode(1.0)


def test_an_enum_is_an_int_with_a_name() -> None:
    blue = COLOR.decode(COLOR.encode("BLUE"))
    assert isinstance(blue, IntEnum)
    assert (blue, blue.name, str(blue), repr(blue)) == (7, "BLUE", "BLUE", "BLUE")
    assert COLOR.encode(blue) == COLOR.encode(7) == COLOR.encode("BLUE")
    unnamed = COLOR.decode(COLOR.encode(5))
    assert unnamed == 5
    assert type(unnamed) is int
    with pytest.raises(ValueError, match=r"point\.color: enum color has no 'BLU'; did you mean BLUE"):
        COLOR.encode("BLU", "point.color")
    with pytest.raises(OverflowError):
        COLOR.encode(-1)
    with pytest.raises(TypeError):
        COLOR.encode(1.0)


def test_an_enum_of_any_width_and_sign_comes_back(btf: Btf) -> None:
    sign, wide = btf.codec("sign"), btf.codec("enum wide")
    assert sign.decode(sign.encode(-1)).name == "MINUS"
    assert wide.decode(wide.encode(1 << 40)).name == "HUGE"
    byte = codec_of(lambda raw: raw.enum("byte", 1, {"A": 255}))
    assert byte.decode(b"\xff").name == "A"


def test_enumerators_that_python_needs_get_an_underscore() -> None:
    names = ["mro", "real", "__init__", "_x_", "name", "value", "__half", "to_bytes", "fine"]
    codec = codec_of(lambda raw: raw.enum("odd", 4, {name: index for index, name in enumerate(names)}))
    found = [codec.decode(codec.encode(name)) for name in names]
    assert found == list(range(len(names)))
    assert str(found[0]) == "mro_"
    assert str(found[-1]) == "fine"
    assert (1).real == 1


def test_an_enum_may_be_empty() -> None:
    codec = codec_of(lambda raw: raw.enum("later", 4, {}))
    assert codec.decode(codec.encode(3)) == 3
    with pytest.raises(ValueError):
        codec.encode("A")


def test_aliases_in_an_enum_are_one_value() -> None:
    codec = codec_of(lambda raw: raw.enum("twice", 4, {"FIRST": 1, "SECOND": 1}))
    assert codec.encode("SECOND") == codec.encode("FIRST")
    assert codec.decode(codec.encode(1)).name == "FIRST"


# --- arrays ----------------------------------------------------------------------------


@settings(deadline=None)
@given(st.binary(max_size=20))
def test_chars_are_bytes_with_zeroes_behind(value: bytes) -> None:
    if len(value) > 16:
        with pytest.raises(ValueError, match=r"comm: char\[16\] takes 16 bytes at most, not"):
            CHARS.encode(value, "comm")
    else:
        assert CHARS.encode(value) == value + bytes(16 - len(value))
        assert CHARS.decode(CHARS.encode(value)) == value.rstrip(b"\0")


def test_chars_take_no_text() -> None:
    with pytest.raises(TypeError, match=r"event\.comm: char\[16\] takes bytes, not str; encode it"):
        CHARS.encode("bash", "event.comm")
    for value in (1, None, [1, 2]):
        with pytest.raises(TypeError, match=r"char\[16\] takes bytes, not"):
            CHARS.encode(value)
    assert CHARS.encode(bytearray(b"bash")) == b"bash" + bytes(12)


def test_only_char_makes_a_char_array() -> None:
    for name, encoding, expected in (
        ("char", SIGNED, b""),
        ("letter", CHAR, b""),
        ("signed char", SIGNED, [0, 0]),
    ):
        codec = codec_of(lambda raw, n=name, e=encoding: raw.array(raw.integer(n, 1, e), 2))  # type: ignore[misc]
        assert codec.decode(b"\0\0") == expected
    typedef = codec_of(
        lambda raw: raw.array(
            raw.refer(Kind.CONST, raw.refer(Kind.TYPEDEF, raw.integer("char", 1), "c_t")), 2
        )
    )
    assert typedef.decode(b"a\0") == b"a"


@settings(deadline=None)
@given(st.lists(st.integers(0, (1 << 32) - 1), min_size=3, max_size=3))
def test_an_array_comes_back(values: list[int]) -> None:
    encoded = U32S.encode(values)
    assert encoded == struct.pack("=3I", *values)
    assert U32S.decode(encoded) == values
    assert U32S.encode(tuple(values)) == U32S.encode(array.array("I", values)) == encoded


def test_an_array_takes_its_exact_length() -> None:
    for values in ([], [1, 2], [1, 2, 3, 4], range(5)):
        with pytest.raises(ValueError, match=rf"event\.stack: u32\[3\] takes 3 values, not {len(values)}"):
            U32S.encode(values, "event.stack")
    for value in (1, None, "abc", {1: 2}, {1, 2, 3}, iter([1, 2, 3])):
        with pytest.raises(TypeError, match=r"u32\[3\] takes a sequence, not"):
            U32S.encode(value)
    with pytest.raises(ValueError, match=r"u32\[3\] takes 12 bytes, not 3"):
        U32S.encode(b"abc")


def test_an_array_names_the_value_that_does_not_fit() -> None:
    with pytest.raises(OverflowError, match=r"^u32\[3\]\[1\]: -1 does not fit u32 \(0 to 4294967295\)"):
        U32S.encode([1, -1, 2])
    with pytest.raises(TypeError, match=r"^event\.stack\[2\]: u32 takes an int, not float"):
        U32S.encode([1, 2, 3.0], "event.stack")


def test_arrays_nest() -> None:
    codec = codec_of(lambda raw: raw.array(raw.array(raw.integer("u16", 2), 2), 3))
    assert codec.name == "u16[3][2]"
    values = [[1, 2], [3, 4], [5, 6]]
    assert codec.encode(values) == struct.pack("=6H", 1, 2, 3, 4, 5, 6)
    assert codec.decode(codec.encode(values)) == values
    with pytest.raises(OverflowError, match=r"table\[1\]\[0\]: 65536 does not fit u16"):
        codec.encode([[1, 2], [65536, 4], [5, 6]], "table")
    names = codec_of(lambda raw: raw.array(raw.array(raw.integer("char", 1), 4), 2))
    assert names.decode(names.encode([b"ab", b"c"])) == [b"ab", b"c"]
    empty = codec_of(lambda raw: raw.array(raw.integer("int", 4), 0))
    assert empty.decode(empty.encode([])) == []


def test_an_array_view_shares_memory() -> None:
    memory = bytearray(16)
    view = U32S.view(memory, 4)
    view[1] = 7
    assert memory == struct.pack("=IIII", 0, 0, 7, 0)
    assert view == [0, 7, 0]
    assert INTEGERS[4, False].view(memory, 8) == 7


# --- everything else ---------------------------------------------------------------------


def test_without_btf_there_are_bytes() -> None:
    codec = bytes_codec(4)
    assert codec.encode(b"abcd") == b"abcd"
    assert codec.decode(b"xabcd", 1) == b"abcd"
    for value in (b"abc", b"abcde"):
        with pytest.raises(ValueError, match="4 bytes takes 4 bytes, not"):
            codec.encode(value)
    with pytest.raises(TypeError, match="encode it"):
        codec.encode("abcd")


def test_typedefs_and_modifiers_lead_to_the_type(btf: Btf) -> None:
    assert btf.codec("pid_t").name == "pid_t"
    with pytest.raises(OverflowError, match="does not fit pid_t"):
        btf.codec("pid_t").encode(1 << 31)
    constant = next(found for found in btf if found.kind is Kind.CONST)
    assert btf.codec(constant) is btf.codec("struct event")
    counter = btf.find("counter")
    assert btf.codec(counter).encode(1) == (1).to_bytes(8, sys.byteorder)


def test_a_pointer_is_an_unsigned_integer(btf: Btf) -> None:
    pointer = next(found for found in btf if found.kind is Kind.PTR)
    codec = btf.codec(pointer)
    assert codec.decode(codec.encode((1 << 64) - 1)) == (1 << 64) - 1
    with pytest.raises(OverflowError, match=r"-1 does not fit void \*"):
        codec.encode(-1)


def test_the_codec_of_a_type_is_made_once(btf: Btf) -> None:
    assert btf.codec("event") is btf.codec("struct event") is codec_for(btf, btf.find("event").id)


def test_what_has_no_values_has_no_codec(btf: Btf) -> None:
    for name in ("void", "handle", "unknown", ".bss", "tag"):
        found = btf.find(name)
        if found.kind is Kind.DECL_TAG:
            continue
        with pytest.raises(TypeError, match="has no values: it is a BTF"):
            btf.codec(found)
    with pytest.raises(errors.NameNotFoundError):
        btf.codec("nothing")


def values_for(codec: Codec) -> st.SearchStrategy[Any]:
    """Values that a codec takes and gives back as they are."""
    from pylibbpf.btf import codec as codecs

    if isinstance(codec, codecs.CharArrayCodec):
        return st.binary(max_size=codec.size).map(lambda value: value.rstrip(b"\0"))
    if isinstance(codec, codecs.ArrayCodec):
        return st.lists(values_for(codec.element), min_size=codec.length, max_size=codec.length)
    if isinstance(codec, codecs.BoolCodec):
        return st.booleans()
    if isinstance(codec, codecs.FloatCodec):
        return st.floats(width=32 if codec.size == 4 else 64, allow_nan=False)
    if isinstance(codec, (codecs.IntCodec, codecs.WideIntCodec)):
        bits = 8 * codec.size
        return st.integers(
            *((-(1 << bits - 1), (1 << bits - 1) - 1) if codec.signed else (0, (1 << bits) - 1))
        )
    return st.binary(min_size=codec.size, max_size=codec.size)


@st.composite
def declared(draw: st.DrawFn, raw: RawBtf, depth: int = 3) -> int:
    """A random type without structs, added to a Btf."""
    kind = draw(
        st.sampled_from(
            ["integer", "char", "bool", "float", "enum", *(["array", "typedef"] if depth else [])]
        )
    )
    if kind == "integer":
        return raw.integer(
            "number", draw(st.sampled_from([1, 2, 4, 8, 16])), draw(st.sampled_from([0, SIGNED]))
        )
    if kind == "char":
        return raw.array(raw.integer("char", 1), draw(st.integers(0, 5)))
    if kind == "bool":
        return raw.integer("_Bool", 1, BOOL)
    if kind == "float":
        return raw.floating("real", draw(st.sampled_from([4, 8, 16])))
    if kind == "enum":
        return raw.enum("choice", draw(st.sampled_from([1, 2, 4, 8])), {"A": 0, "B": 3})
    inner = draw(declared(raw, depth - 1))
    if kind == "typedef":
        return raw.refer(Kind.TYPEDEF, raw.refer(Kind.CONST, inner), "alias")
    return raw.array(inner, draw(st.integers(0, 4)))


@pytest.mark.host("a property test of some seconds")
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_type_round_trips_any_value(data: st.DataObject) -> None:
    raw = RawBtf()
    type_id = data.draw(declared(raw))
    with Btf.from_bytes(bytes(raw)) as btf:
        codec = btf.codec(type_id)
        assert codec.size == btf.size_of(type_id)
        value = data.draw(values_for(codec))
        encoded = codec.encode(value)
        assert len(encoded) == codec.size
        assert codec.decode(encoded) == value
        assert codec.decode(b"abc" + encoded, 3) == value
        assert codec.encode(encoded) == encoded
        wrong = data.draw(st.binary(max_size=codec.size + 3).filter(lambda b: len(b) != codec.size))
        if len(wrong) > codec.size:
            with pytest.raises(ValueError):
                codec.encode(wrong)


@pytest.mark.host("a property test of some seconds")
@settings(max_examples=200, deadline=None)
@given(
    st.data(),
    st.one_of(
        st.none(),
        st.integers(),
        st.floats(),
        st.text(max_size=3),
        st.binary(max_size=20),
        st.lists(st.integers()),
    ),
)
def test_any_value_is_encoded_to_the_size_or_refused(data: st.DataObject, value: object) -> None:
    raw = RawBtf()
    type_id = data.draw(declared(raw))
    with Btf.from_bytes(bytes(raw)) as btf:
        codec = btf.codec(type_id)
        try:
            encoded = codec.encode(value)
        except (TypeError, ValueError, OverflowError):
            return
        assert len(encoded) == codec.size


@pytest.mark.needs("numpy")
def test_numpy_values_are_values() -> None:
    import numpy

    assert INTEGERS[4, False].encode(numpy.uint32(7)) == INTEGERS[4, False].encode(7)
    assert U32S.encode(numpy.array([1, 2, 3])) == U32S.encode([1, 2, 3])
    assert DOUBLE.encode(numpy.float32(0.5)) == DOUBLE.encode(0.5)
    assert BOOLEAN.encode(numpy.True_) == b"\1"
    for value in (numpy.float32(1), numpy.float64(1)):
        with pytest.raises(TypeError, match="takes an int, not"):
            INTEGERS[4, False].encode(value)
    with pytest.raises(TypeError, match="takes an int"):
        INTEGERS[8, False].encode(numpy.float64(1))
    with pytest.raises(OverflowError):
        U32S.encode(numpy.array([1, 2, -3]))
