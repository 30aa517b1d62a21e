# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the records of a batch become in Python: bytes, structures, tuples, arrays, values of BTF types."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from .._native import ffi, lib
from ..errors import FormatError

if TYPE_CHECKING:
    import struct

    import numpy

    from .._libbpf import CData
    from ..btf.codec import Codec

T = TypeVar("T")

# A batch is full with so many records or bytes. Events of more than one batch cost more to make,
# since they no longer fit the processor's second cache; an event that is kept keeps its batch.
BATCH_RECORDS = 512
BATCH_BYTES = 256 * 1024


class BadRecordError(FormatError):
    """A record that is not what its reader was told. Reading goes on behind it.

    Attributes:
        record: its bytes.
        map: the name of the map it came from.
        count: how many such records the reader has met so far.
    """

    record: bytes
    map: str
    count: int

    def __init__(self, record: bytes, map: str, count: int, hint: str) -> None:
        super().__init__(errno.EBADMSG, "read a record of map", f"'{map}'", hint=hint)
        self.record = record
        self.map = map
        self.count = count


class ShortRecordError(BadRecordError):
    """A record has fewer bytes than its type."""

    def __init__(self, record: bytes, map: str, type_name: str, type_size: int, count: int) -> None:
        super().__init__(
            record,
            map,
            count,
            f"It has {len(record)} bytes, and {type_name} has {type_size}. "
            f"Records that are too short so far: {count}.",
        )


class UnknownRecordError(BadRecordError):
    """The discriminator of a record has a value that stands for no type.

    Attributes:
        value: that value.
    """

    value: int

    def __init__(self, record: bytes, map: str, field: str, value: int, count: int) -> None:
        super().__init__(
            record,
            map,
            count,
            f"Its {field} is {value}, for which no type was given; the type of None takes all others. "
            f"Such records so far: {count}.",
        )
        self.value = value


class Records(Generic[T]):
    """How the records of a reader are drained, and what they become.

    Attributes:
        name: the type's name, for messages.
        least: bytes that a record must have.
        stride: bytes of each record that the batch's array has (struct glue_reader), or 0 for none.
        whole: whether the batch has the whole records.
        capacity: records that fill a batch.
        array: whether events come as a NumPy array.
    """

    name: str
    least: int
    stride: int
    whole: bool = False
    capacity: int
    array: bool = False

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.least = self.stride = size
        fitting = max(1, BATCH_BYTES // size) if size else BATCH_RECORDS
        # A power of two, for the arrays of Structures.
        self.capacity = min(BATCH_RECORDS, 1 << fitting.bit_length() - 1)

    def unpack(self, reader: CData, position: int) -> Sequence[T]:
        """The records of the batch from a position on, as events that own their memory.

        It ends before a record that is no event; if that is the first, there are none, and
        `refusal` says why.
        """
        raise NotImplementedError

    def refusal(self, reader: CData, position: int) -> Refusal:
        """Why the record at a position is no event."""
        raise NotImplementedError

    def of_heads(self, heads: bytearray, count: int) -> Sequence[T]:
        """The events of an array of records' first bytes. They may keep it as their memory."""
        raise NotImplementedError

    def bytes_of(self, events: Sequence[T]) -> bytes:
        """The reverse of `of_heads`."""
        raise NotImplementedError

    def joined(self, events: list[T]) -> Any:
        """Events that were taken out of a batch one by one, as a batch has them."""
        return events


class Refusal:
    """What an error about a record says; the reader adds the count.

    Attributes:
        record: its bytes.
        source: which of the reader's maps or CPUs it came from.
        type: what it is too short for: name and bytes; or None.
        value: its discriminator: name and value; or None.
    """

    def __init__(
        self,
        record: bytes,
        source: int,
        *,
        type: tuple[str, int] | None = None,
        value: tuple[str, int] | None = None,
    ) -> None:
        self.record = record
        self.source = source
        self.type = type
        self.value = value


class Places:
    """Where the records of a batch lie in its `whole` (struct glue_record): lists with an item a record."""

    __slots__ = ("ends", "lost", "sources", "starts")

    def __init__(self, reader: CData, position: int) -> None:
        size = ffi.sizeof("struct glue_record")
        words = memoryview(ffi.buffer(reader.records, size * reader.count)).cast("I")[size // 4 * position :]
        self.starts: list[int] = words[0::4].tolist()
        self.ends: list[int] = words[1::4].tolist()
        self.sources: list[int] = words[2::4].tolist()
        self.lost: list[int] = words[3::4].tolist()


class Place(NamedTuple):
    """Where the integer lies that tells types apart, and what it is."""

    offset: int
    size: int
    signed: bool

    def as_signed_64(self, value: int) -> int:
        """As the glue compares values."""
        return value - (1 << 64) if value >= 1 << 63 else value

    def read(self, record: bytes) -> int:
        """The value in a record."""
        return int.from_bytes(
            record[self.offset : self.offset + self.size], sys.byteorder, signed=self.signed
        )


def whole_bytes(reader: CData) -> bytes:
    """All of a batch's records."""
    return bytes(ffi.buffer(reader.whole, reader.used))


class Heads(Records[T]):
    """Records of which every event is the first bytes, always as many."""

    def __init__(self, name: str, size: int) -> None:
        if not size:
            raise ValueError(f"{name} has no bytes")
        super().__init__(name, size)

    def unpack(self, reader: CData, position: int) -> Sequence[T]:
        count = reader.count - position
        start = reader.heads + position * self.stride
        return self.of_heads(bytearray(ffi.buffer(start, count * self.stride)), count)


class Raw(Records[Any]):
    """Whole records: as bytes, or as memoryviews of one copy of the batch."""

    whole = True

    def __init__(self, view: bool = False) -> None:
        super().__init__("memoryview" if view else "bytes", 0)
        self._view = view

    def unpack(self, reader: CData, position: int) -> Sequence[Any]:
        places, data = Places(reader, position), self.of_whole(reader)
        return [data[start:end] for start, end in zip(places.starts, places.ends, strict=True)]

    def of_whole(self, reader: CData) -> Any:
        """All of a batch's records, of which each is a slice."""
        return memoryview(whole_bytes(reader)) if self._view else ffi.buffer(reader.whole, reader.used)


class Structures(Heads[Any]):
    """A ctypes Structure or Union. All of a batch share one buffer."""

    def __init__(self, cls: type[Any], name: str) -> None:
        import ctypes

        super().__init__(name, ctypes.sizeof(cls))
        self.cls = cls
        # ctypes makes a class for each length of an array, which takes longer than the events do.
        self._arrays = [cls * (1 << power) for power in range(self.capacity.bit_length())]

    def of_heads(self, heads: bytearray, count: int) -> Sequence[Any]:
        power = (count - 1).bit_length()
        while power >= len(self._arrays):
            self._arrays.append(self.cls * (1 << len(self._arrays)))
        heads += bytes((self.stride << power) - len(heads))
        events: list[Any] = self._arrays[power].from_buffer(heads)[:count]
        return events

    def bytes_of(self, events: Sequence[Any]) -> bytes:
        return b"".join(map(bytes, events))


class Values(Heads[Any]):
    """A value of a BTF type that is no struct: an int, an enum, a list."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec.name, codec.size)
        self._decode = codec.decode
        self._encode = codec.encode

    def of_heads(self, heads: bytearray, count: int) -> Sequence[Any]:
        data, decode, size = bytes(heads), self._decode, self.stride
        return [decode(data, offset) for offset in range(0, count * size, size)]

    def bytes_of(self, events: Sequence[Any]) -> bytes:
        return b"".join(map(self._encode, events))


class Tuples(Heads[Any]):
    """A tuple of the values of a struct format."""

    def __init__(self, format: struct.Struct) -> None:
        super().__init__(f"struct format {format.format!r}", format.size)
        self._format = format

    def of_heads(self, heads: bytearray, count: int) -> Sequence[Any]:
        return list(self._format.iter_unpack(heads))

    def bytes_of(self, events: Sequence[Any]) -> bytes:
        return b"".join(self._format.pack(*event) for event in events)


class Array(Heads[Any]):
    """An element of a NumPy array; a batch is an array."""

    array = True

    def __init__(self, dtype: numpy.dtype[Any]) -> None:
        if dtype.hasobject:
            raise TypeError(f"{dtype} has Python objects, which no program can write")
        super().__init__(f"dtype {dtype}", dtype.itemsize)
        # Nothing is made for each record: larger batches cost less.
        self.capacity = max(1, BATCH_BYTES // dtype.itemsize)
        self.dtype = dtype

    def of_heads(self, heads: bytearray, count: int) -> Any:
        import numpy

        return numpy.frombuffer(heads, self.dtype, count)

    def bytes_of(self, events: Sequence[Any]) -> bytes:
        return b"".join(event.tobytes() for event in events)

    def joined(self, events: list[Any]) -> Any:
        import numpy

        return numpy.array(events, self.dtype)


class WithTails(Records[Any]):
    """Each event and, as bytes, what its record has behind its type."""

    whole = True

    def __init__(self, records: Records[Any]) -> None:
        self.__dict__.update(name=records.name, least=records.least, stride=records.stride)
        self.capacity = min(records.capacity, BATCH_RECORDS)
        self._records = records

    def unpack(self, reader: CData, position: int) -> Sequence[Any]:
        events, places = self._records.unpack(reader, position), Places(reader, position)
        data, size = ffi.buffer(reader.whole, reader.used), self.stride
        tails = [data[start + size : end] for start, end in zip(places.starts, places.ends, strict=True)]
        return list(zip(events, tails, strict=True))


class Told(Records[Any]):
    """Records of several types: an integer that they have in common tells which.

    The glue sorts a batch by type, the records of each type become events at once, as
    if there were no others, and are then put back into their order.
    """

    whole = True

    def __init__(
        self, types: dict[int, Heads[Any]], other: Records[Any] | None, field: str, place: Place, tails: bool
    ) -> None:
        super().__init__(f"records told apart by {field}", 0)
        self.least = place.offset + place.size
        self._field = field
        self._place = place
        self._tails = tails
        # Each type once: an index into these is what the glue knows of a type.
        self._types: list[Records[Any]] = [*types.values(), *([other] if other else [])]
        self._sizes = [each.stride for each in self._types]
        values = sorted((place.as_signed_64(value), index) for index, value in enumerate(types))
        self._told = ffi.new("struct glue_types *")
        self._told.offset, self._told.size, self._told.is_signed = place.offset, place.size, place.signed
        self._told.count = len(values)
        self._told.other = len(types) if other else lib.GLUE_NO_TYPE
        # The struct owns none of these.
        self._owned = (
            ffi.new("int64_t[]", [value for value, _ in values]),
            ffi.new("uint32_t[]", [index for _, index in values]),
            ffi.new("uint32_t[]", self._sizes),
        )
        self._told.values, self._told.types, self._told.sizes = self._owned

    def unpack(self, reader: CData, position: int) -> Sequence[Any]:
        order, counts, told = self._tell(reader, position)
        by_type: dict[int, Iterator[Any]] = {lib.GLUE_NO_TYPE: repeat(None)}
        for type, records in enumerate(self._types):
            if not counts[type]:
                continue
            if isinstance(records, Raw):
                places = Places(reader, position)
                spans = zip(places.starts, places.ends, order, strict=False)
                data = records.of_whole(reader)
                by_type[type] = iter([data[start:end] for start, end, found in spans if found == type])
            else:
                heads = bytearray(counts[type] * records.stride)
                memory = ffi.from_buffer(heads)
                lib.glue_reader_gather(reader, position, order, told, type, records.stride, memory)
                ffi.release(memory)
                by_type[type] = iter(records.of_heads(heads, counts[type]))
        types = ffi.unpack(order, told)
        events = [*map(next, map(by_type.__getitem__, types))]
        return [*zip(events, self._tails_of(reader, position, types), strict=True)] if self._tails else events

    def _tails_of(self, reader: CData, position: int, types: list[int]) -> list[bytes]:
        """What each record has behind its type; nothing behind whole records and notices."""
        places, data = Places(reader, position), ffi.buffer(reader.whole, reader.used)
        sizes = dict(enumerate(self._sizes))
        return [
            data[start + size : end] if (size := sizes.get(type, 0)) else b""
            for start, end, type in zip(places.starts, places.ends, types, strict=False)
        ]

    def refusal(self, reader: CData, position: int) -> Refusal:
        place = reader.records[position]
        record = whole_bytes(reader)[place.start : place.end]
        order, _, _ = self._tell(reader, position)
        if order[0] == lib.GLUE_NO_TYPE:
            return Refusal(record, place.source, value=(self._field, self._place.read(record)))
        return Refusal(record, place.source, type=(self._types[order[0]].name, self._sizes[order[0]]))

    def _tell(self, reader: CData, position: int) -> tuple[CData, CData, int]:
        """The types of the records from a position on, how many of each, and of all: glue_reader_tell."""
        order = ffi.new("uint32_t[]", reader.count - position)
        counts = ffi.new("uint32_t[]", len(self._types))
        return order, counts, lib.glue_reader_tell(reader, position, self._told, order, counts)
