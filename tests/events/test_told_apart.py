# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Property tests of how a batch of records of several types becomes events, on batches made by hand."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pylibbpf._native import ffi
from pylibbpf.events.types import records_of

pytestmark = pytest.mark.host("no kernel is asked")

INTEGERS = [
    *(ctypes.c_uint8, ctypes.c_int8, ctypes.c_uint16, ctypes.c_int16),
    *(ctypes.c_uint32, ctypes.c_int32, ctypes.c_uint64, ctypes.c_int64),
]


class Batch:
    """Records as a drain leaves them, whole and on 8-byte bounds; None is a notice of lost samples."""

    def __init__(self, records: list[bytes | None]) -> None:
        self.reader = ffi.new("struct glue_reader *")
        self.places = self.reader.records = ffi.new("struct glue_record[]", max(1, len(records)))
        whole = bytearray()
        for place, record in zip(self.places, records, strict=False):
            whole += bytes(-len(whole) % 8)
            place.start = len(whole)
            whole += record or b""
            place.end = len(whole)
            place.lost = record is None
        self.whole = self.reader.whole = ffi.new("char[]", bytes(whole) or b"\0")
        self.reader.used = len(whole)
        self.reader.count = len(records)


def structure(integer: Any, padding: int, tail: int) -> Any:
    fields = [("before", ctypes.c_uint8 * padding), ("kind", integer), ("behind", ctypes.c_uint8 * tail)]
    return type("Record", (ctypes.Structure,), {"_fields_": fields, "_pack_": 1, "_layout_": "ms"})


@settings(deadline=None)
@given(st.data())
def test_every_record_becomes_an_event_of_its_type_in_order(data: st.DataObject) -> None:
    integer = data.draw(st.sampled_from(INTEGERS))
    size = ctypes.sizeof(integer)
    padding = data.draw(st.integers(0, 9))
    numbers = st.integers(0, 3) | st.integers(0, (1 << 8 * size) - 1)
    kinds = data.draw(st.lists(numbers.map(lambda number: integer(number).value), unique=True, min_size=1))
    types: dict[int | None, Any] = {
        kind: structure(integer, padding, data.draw(st.integers(0, 20))) for kind in kinds
    }
    other = data.draw(st.sampled_from(["none", "bytes", "struct"]))
    if other != "none":
        types[None] = bytes if other == "bytes" else structure(integer, padding, 3)
    tails = data.draw(st.booleans())
    records = data.draw(
        st.lists(
            st.none() | st.builds(record, st.just(padding), numbers, st.just(size), st.binary(max_size=24))
        )
    )
    position = data.draw(st.integers(0, len(records)))
    told = records_of(types, (), "kind", tails)
    batch = Batch(records)

    expected: list[Any] = []
    for each in records[position:]:
        if each is None:
            expected.append((None, b"") if tails else None)
            continue
        kind = int.from_bytes(each[padding:][:size], sys.byteorder, signed=integer(-1).value < 0)
        type = types.get(kind, types.get(None))
        length = 0 if type in (None, bytes) else ctypes.sizeof(type)
        if type is None or len(each) < length:
            refusal = told.refusal(batch.reader, position + len(expected))
            assert refusal.record == each
            assert refusal.value == (("kind", kind) if type is None else None)
            assert refusal.type is None or refusal.type[1] == length
            break
        event = each if type is bytes else each[:length]
        tail = b"" if type is bytes else each[length:]
        expected.append((event, tail) if tails else event)
    events = told.unpack(batch.reader, position)
    if tails:
        assert [(event and bytes(event), tail) for event, tail in events] == expected
    else:
        assert [event and bytes(event) for event in events] == expected


def record(padding: int, number: int, size: int, rest: bytes) -> bytes:
    return bytes(padding) + number.to_bytes(size, sys.byteorder) + rest
