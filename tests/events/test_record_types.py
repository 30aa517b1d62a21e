# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What records may be: tuples, arrays, views, several types in one ring, records with tails; and `out`."""

from __future__ import annotations

import ctypes
import gc
import signal
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.events import BadRecordError, ShortRecordError, UnknownRecordError
from tests.events.rings import EVENT_SIZE, MOST_RECORDS, Event, Rings, everything, run_program, sequences

pytestmark = [
    pytest.mark.needs("root", "vmlinux_btf"),
    pytest.mark.kernel("5.10", "test runs of raw tracepoint programs"),
]

FORMAT = "=QII16s"
NAMES = "abcdefghijklmnopqrstuvwxyz" * 2


@pytest.fixture
def numpy() -> Any:
    import numpy

    return numpy


@pytest.fixture
def kinds(bpf_object: Callable[[str], Path]) -> Iterator[bpf.Object]:
    """The object of tests/bpf/ring_kinds.bpf.c, loaded."""
    with bpf.Object.open(bpf_object("ring_kinds")) as obj:
        obj.load()
        yield obj


def output(obj: bpf.Object, count: int, kind: int = 0, less: int = 0) -> None:
    """Writes records of a kind, or of three kinds in turns, each so many bytes too short."""
    for _ in range(count):
        run_program(obj, "output", kind, less)


class Opened(ctypes.Structure):
    _fields_ = (
        ("number", ctypes.c_uint32),
        ("kind", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("path", ctypes.c_char * 16),
    )


class Header(ctypes.Structure):
    _fields_ = (("number", ctypes.c_uint32), ("kind", ctypes.c_uint32))


class Nested(ctypes.Structure):
    _fields_ = (("header", Header),)


# --- one type -----------------------------------------------------------------------------


@pytest.mark.parametrize("type", [FORMAT, struct.Struct(FORMAT)], ids=["str", "Struct"])
def test_a_struct_format_gives_tuples(rings: Rings, type: Any) -> None:
    with bpf.RingBuffer(rings.events, type) as reader:
        rings.output(600)
        events = everything(reader)
    assert events == [(number, EVENT_SIZE, 0, bytes(16)) for number in range(600)]


def test_memoryviews_show_their_records_also_after_the_next_read(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, memoryview) as reader:
        rings.output(1, 20)
        (first,) = reader.read_batch()
        rings.output(1, 30)
        (second,) = reader.read_batch()
    assert isinstance(first, memoryview)
    assert first.readonly
    assert (len(first), len(second)) == (20, 30)
    assert (bytes(first[:8]), bytes(second[:8])) == (struct.pack("Q", 0), struct.pack("Q", 1))


def test_bytes_are_a_type(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, bytes) as reader:
        rings.output(1, 9)
        (record,) = reader.read_batch()
    assert type(record) is bytes
    assert len(record) == 9


@pytest.mark.parametrize("type", [bytes, memoryview, None, 7, "=", "=P", {}], ids=repr)
def test_types_that_have_no_tail_or_no_sense_are_refused(rings: Rings, type: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        bpf.RingBuffer(rings.events, type, tails=True)


# --- NumPy --------------------------------------------------------------------------------


@pytest.mark.needs("numpy")
def test_a_dtype_gives_arrays(rings: Rings, numpy: Any) -> None:
    assert rings.obj.btf is not None
    dtype = rings.obj.btf.to_dtype("struct event")
    with bpf.RingBuffer(rings.events, dtype) as reader:
        rings.output(3000)
        first = reader.read_batch()
        assert isinstance(first, numpy.ndarray)
        assert first.dtype == dtype
        rings.output(3)
        rest = reader.read_batch()
        assert reader.read_batch(timeout=0).shape == (0,)
    both = numpy.concatenate([first, rest])
    assert (both["sequence"] == numpy.arange(3003)).all()
    assert (both["size"] == EVENT_SIZE).all()


@pytest.mark.needs("numpy")
def test_arrays_and_iteration_go_on_where_the_other_stopped(rings: Rings, numpy: Any) -> None:
    dtype = numpy.dtype([("sequence", "u8"), ("size", "u4")])
    with bpf.RingBuffer(rings.events, dtype) as reader:
        rings.output(10)
        assert [int(event["sequence"]) for event in islice(reader, 3)] == [0, 1, 2]
        rest = reader.read_batch()
        assert rest.dtype == dtype
        assert rest["sequence"].tolist() == [3, 4, 5, 6, 7, 8, 9]


@pytest.mark.needs("numpy")
def test_a_dtype_with_objects_is_refused(rings: Rings, numpy: Any) -> None:
    with pytest.raises(TypeError, match="Python objects"):
        bpf.RingBuffer(rings.events, numpy.dtype([("a", "O")]))


# --- out ----------------------------------------------------------------------------------


@pytest.mark.needs("numpy")
def test_out_takes_records_into_an_array_of_the_callers(rings: Rings, numpy: Any) -> None:
    dtype = numpy.dtype([("sequence", "u8"), ("size", "u4"), ("ring", "u4"), ("comm", "S16")])
    out = numpy.zeros(1000, dtype)
    with bpf.RingBuffer(rings.events, dtype) as reader:
        rings.output(1200)
        filled = reader.read_batch(out=out)
        assert filled.base is out
        assert filled["sequence"].tolist() == list(range(1000))
        filled = reader.read_batch(out=out)
        assert filled["sequence"].tolist() == list(range(1000, 1200))
        assert len(reader.read_batch(out=out, timeout=0)) == 0


@pytest.mark.parametrize("type", ["struct event", FORMAT, Event], ids=str)
def test_out_takes_records_into_bytes(rings: Rings, type: Any) -> None:
    out = bytearray(100 * EVENT_SIZE + 7)
    with bpf.RingBuffer(rings.events, type) as reader:
        rings.output(150)
        for expected in (range(100), range(100, 150)):
            filled = reader.read_batch(out=out)
            assert [each[0] for each in struct.Struct(FORMAT).iter_unpack(filled)] == list(expected)
            filled.release()


@pytest.mark.parametrize("type", ["struct event", FORMAT, "__u64"])
def test_out_takes_what_an_iteration_left(rings: Rings, type: Any) -> None:
    size = 8 if type == "__u64" else EVENT_SIZE
    out = bytearray(4 * size)
    with bpf.RingBuffer(rings.events, type) as reader:
        rings.output(8)
        next(iter(reader))
        numbers: list[int] = []
        while filled := reader.read_batch(out=out, timeout=0):
            numbers += [struct.unpack_from("Q", filled, place)[0] for place in range(0, len(filled), size)]
        assert numbers == list(range(1, 8))


def test_out_meets_a_short_record_in_its_place(rings: Rings) -> None:
    out = bytearray(100 * EVENT_SIZE)
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(2)
        rings.output(1, 8)
        rings.output(1)
        assert len(reader.read_batch(out=out)) == 2 * EVENT_SIZE
        with pytest.raises(ShortRecordError):
            reader.read_batch(out=out)
        assert len(reader.read_batch(out=out)) == EVENT_SIZE
        rings.output(1, 8)
        with pytest.raises(ShortRecordError):
            reader.read_batch(out=out)


def test_out_that_cannot_take_records_is_refused(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        for out in (b"x" * 64, bytearray(EVENT_SIZE - 1), bytearray(), memoryview(bytearray(64))[::2]):
            with pytest.raises(ValueError, match="`out`"):
                reader.read_batch(out=out)
        with pytest.raises(TypeError):
            reader.read_batch(out=3)
    with bpf.RingBuffer(rings.events) as raw, pytest.raises(ValueError, match="records of one size"):
        raw.read_batch(out=bytearray(64))


@pytest.mark.needs("numpy")
def test_out_of_other_items_is_refused(rings: Rings, numpy: Any) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        for out in (numpy.zeros(10, "u8"), numpy.zeros((3, 3), f"V{EVENT_SIZE}")):
            with pytest.raises(ValueError, match="items of"):
                reader.read_batch(out=out)


@pytest.mark.needs("numpy")
@pytest.mark.host("a thousand timers")
@pytest.mark.parametrize("into", [False, True], ids=["array", "out"])
def test_exceptions_of_signal_handlers_lose_no_array(rings: Rings, numpy: Any, into: bool) -> None:
    class Struck(Exception):  # noqa: N818
        pass

    armed = False

    def strike(*_: object) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise Struck

    random = Random(2)
    dtype = numpy.dtype([("sequence", "u8"), ("rest", "V24")])
    out = numpy.zeros(64, dtype)
    received: list[int] = []
    strikes = 0
    # The longest time until a strike; more, on a machine that gets to no record within it.
    longest = 80e-6
    before = signal.signal(signal.SIGALRM, strike)
    gc.disable()
    try:
        with bpf.RingBuffer(rings.events, dtype) as reader:
            for target in range(MOST_RECORDS, 20 * MOST_RECORDS, MOST_RECORDS):
                rings.output(MOST_RECORDS)
                while len(received) < target:
                    numbers: list[int] = []
                    try:
                        armed = True
                        signal.setitimer(signal.ITIMER_REAL, random.uniform(10e-6, longest))
                        batch = reader.read_batch(out=out) if into else reader.read_batch()
                        armed = False
                        numbers = batch["sequence"].tolist()
                    except Struck:
                        strikes += 1
                    received += numbers
                    longest = max(80e-6, longest / 1.2) if numbers else longest * 1.2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    assert received == list(range(target))
    assert strikes > 0


# --- several types ------------------------------------------------------------------------


TYPES = {1: "struct opened", 2: "struct closed", 3: "struct named"}


@pytest.mark.parametrize(
    "types",
    [
        TYPES,
        {"OPENED": "struct opened", "CLOSED": "struct closed", "NAMED": "struct named"},
        {1: Opened, 2: Header, 3: Header},
    ],
    ids=["numbers", "enumerators", "ctypes"],
)
def test_a_discriminator_tells_types_apart(kinds: bpf.Object, types: Any) -> None:
    with bpf.RingBuffer(kinds.maps["events"], types, discriminator="kind") as reader:
        output(kinds, 150)
        output(kinds, 150)
        events = everything(reader)
    assert [(event.number, int(event.kind)) for event in events] == [
        (number, 1 + number % 3) for number in range(300)
    ]
    assert {event.flags for event in events[0::3]} == {7}
    assert events[3].path == b"/etc/passwd"
    assert ctypes.sizeof(events[1]) == 8


@pytest.mark.needs("numpy")
def test_dtypes_can_be_told_apart(kinds: bpf.Object, numpy: Any) -> None:
    header = numpy.dtype([("number", "u4"), ("kind", "i4")])
    opened = numpy.dtype([("number", "u4"), ("kind", "i4"), ("flags", "u8")])
    types = {1: opened, 2: header, None: None}
    with bpf.RingBuffer(kinds.maps["events"], types, discriminator="kind") as reader:
        output(kinds, 3)
        first, second, third = reader.read_batch()
    assert (first["number"], first["flags"], second["number"], third[:4]) == (0, 7, 1, struct.pack("I", 2))


def test_a_discriminator_may_lie_in_a_member(kinds: bpf.Object) -> None:
    with bpf.RingBuffer(kinds.maps["events"], {2: Nested}, discriminator="header.kind") as reader:
        output(kinds, 2, 2)
        assert [event.header.number for event in reader.read_batch()] == [0, 1]


@pytest.mark.needs("libbpf_1_3")
def test_a_record_of_no_type_is_an_error_in_its_place(kinds: bpf.Object) -> None:
    types = {key: type for key, type in TYPES.items() if key != 2}
    with bpf.RingBuffer(kinds.maps["events"], types, discriminator="kind") as reader:
        output(kinds, 5)
        assert [event.number for event in reader.read_batch()] == [0]
        with pytest.raises(UnknownRecordError, match="Its kind is 2") as first:
            reader.read_batch()
        assert (first.value.value, first.value.map, first.value.count) == (2, "events", 1)
        assert first.value.record == struct.pack("II", 1, 2)
        assert [event.number for event in reader.read_batch()] == [2, 3]
        with pytest.raises(UnknownRecordError) as second:
            reader.read_batch()
        assert second.value.count == reader.statistics().unknown_records == 2
        assert reader.read_batch(timeout=0) == []
        assert issubclass(UnknownRecordError, BadRecordError)


def test_none_takes_the_records_of_all_other_types(kinds: bpf.Object) -> None:
    types: dict[int | None, Any] = {1: "struct opened", None: "struct closed"}
    with bpf.RingBuffer(kinds.maps["events"], types, discriminator="kind") as reader:
        output(kinds, 3)
        output(kinds, 1, 99)
        assert [(event.number, int(event.kind)) for event in reader.read_batch()] == [
            (0, 1), (1, 2), (2, 3), (3, 99),
        ]  # fmt: skip


def test_a_record_shorter_than_the_type_it_tells_of_is_an_error_in_its_place(kinds: bpf.Object) -> None:
    with bpf.RingBuffer(kinds.maps["events"], TYPES, discriminator="kind") as reader:
        output(kinds, 1, 2)
        output(kinds, 1, 1, 4)
        output(kinds, 1, 2)
        assert [event.number for event in reader.read_batch()] == [0]
        with pytest.raises(ShortRecordError, match="It has 28 bytes, and struct opened has 32"):
            reader.read_batch()
        assert [event.number for event in reader.read_batch()] == [2]


def test_a_record_without_its_discriminator_is_an_error(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, {0: "struct list_head"}, discriminator="prev") as reader:
        rings.output(1, 12)
        with pytest.raises(ShortRecordError, match="12 bytes"):
            reader.read_batch()


@pytest.mark.parametrize(
    ("types", "discriminator", "error"),
    [
        (TYPES, None, TypeError),
        (TYPES, "", TypeError),
        ("struct opened", "kind", TypeError),
        ({1: "struct opened", 2: "struct misplaced"}, "kind", ValueError),
        ({1: "struct opened"}, "knd", bpf.NameNotFoundError),
        ({1: Opened}, "knd", bpf.NameNotFoundError),
        ({1: "struct opened"}, "path", TypeError),
        ({1: Opened}, "path", TypeError),
        ({1: FORMAT}, "kind", TypeError),
        ({"OPEN": "struct opened"}, "kind", ValueError),
        ({"1": Opened}, "kind", TypeError),
        ({None: "struct opened"}, "kind", ValueError),
        ({1: None}, "kind", TypeError),
    ],
    ids=repr,
)
def test_types_that_cannot_be_told_apart_are_refused(
    kinds: bpf.Object, types: Any, discriminator: Any, error: Any
) -> None:
    with pytest.raises(error):
        bpf.RingBuffer(kinds.maps["events"], types, discriminator=discriminator)


# --- tails --------------------------------------------------------------------------------


def test_tails_come_beside_their_events(kinds: bpf.Object) -> None:
    with bpf.RingBuffer(kinds.maps["events"], "struct named", tails=True) as reader:
        output(kinds, 100, 3)
        for number, (event, tail) in enumerate(reader.read_batch()):
            assert (event.number, event.length) == (number, number % 50)
            assert tail == NAMES[: number % 50].encode()


def test_tails_begin_behind_the_type_that_a_record_has(kinds: bpf.Object) -> None:
    types: dict[int | None, Any] = {1: Header, 3: "struct named", None: None}
    with bpf.RingBuffer(kinds.maps["events"], types, discriminator="kind", tails=True) as reader:
        output(kinds, 6)
        events = reader.read_batch()
    assert [tail for _, tail in events] == [
        struct.pack("Q16s", 7, b"/etc/passwd"), b"", b"ab",
        struct.pack("Q16s", 7, b"/etc/passwd"), b"", b"abcde",
    ]  # fmt: skip
    assert events[1][0] == struct.pack("II", 1, 2)


def test_callbacks_get_what_iteration_gives(kinds: bpf.Object) -> None:
    received: list[Any] = []
    map = kinds.maps["events"]
    with bpf.RingBuffer(map, "struct named", received.append, tails=True) as reader:
        output(kinds, 3, 3)
        assert reader.consume() == 3
    assert [(event.number, tail) for event, tail in received] == [(0, b""), (1, b"a"), (2, b"ab")]


def test_several_maps_may_have_one_type(rings: Rings) -> None:
    with bpf.RingBuffer([rings.events, rings.others], FORMAT) as reader:
        rings.output(2)
        rings.output(2, program="output_others")
        assert sorted(everything(reader)) == [(n, EVENT_SIZE, n // 2, bytes(16)) for n in range(4)]


def test_equal_types_of_several_readers_give_equal_events(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, "struct event") as reader:
        rings.output(3)
        assert sequences(reader.read_batch()) == [0, 1, 2]
