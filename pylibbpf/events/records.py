# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the records of a ring become in Python: bytes, ctypes structures, or values of a BTF type."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._native import ffi
from ..errors import FormatError, NameNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._libbpf import CData
    from ..btf import Btf
    from ..btf.codec import Codec
    from ..btf.types import Type

T = TypeVar("T")

# A batch is full with so many records or bytes. Events of more than one batch cost more to make,
# since they no longer fit the processor's second cache; an event that is kept keeps its batch.
BATCH_RECORDS = 512
BATCH_BYTES = 256 * 1024


class ShortRecordError(FormatError):
    """A record of a ring has fewer bytes than its type. Reading goes on behind it.

    Attributes:
        record: the record.
        map: the name of the map it came from.
        count: how many such records the reader has met so far.
    """

    record: bytes
    map: str
    count: int

    def __init__(self, record: bytes, map: str, type_name: str, type_size: int, count: int) -> None:
        super().__init__(
            errno.EBADMSG,
            "read a record of map",
            f"'{map}'",
            hint=f"It has {len(record)} bytes, and {type_name} has {type_size}. "
            f"Records that are too short so far: {count}.",
        )
        self.record = record
        self.map = map
        self.count = count


class Records(Generic[T]):
    """How the records of a reader are drained, and what they become.

    Attributes:
        name: the type's name, for messages.
        size: bytes that each event has, or 0 where an event is the whole record.
        capacity: records that fill a batch.
    """

    name: str
    size: int
    capacity: int

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        capacity = BATCH_RECORDS
        if size:
            fitting = max(1, BATCH_BYTES // size)
            # A power of two, for the arrays of Structures.
            capacity = min(capacity, 1 << fitting.bit_length() - 1)
        self.capacity = capacity

    def unpack(self, ring: CData) -> list[T]:
        """The records of a drained batch as events that own their memory."""
        raise NotImplementedError


class Raw(Records[bytes]):
    """Whole records as bytes."""

    def __init__(self) -> None:
        super().__init__("bytes", 0)

    def unpack(self, ring: CData) -> list[bytes]:
        if not ring.count:
            return []
        data = ffi.buffer(ring.data, ring.used)
        # struct glue_record: start, end, ring.
        places = memoryview(ffi.buffer(ring.records, 12 * ring.count)).cast("I")
        starts, ends = places[0::3].tolist(), places[1::3].tolist()
        return [data[start:end] for start, end in zip(starts, ends, strict=True)]


class Structures(Records[Any]):
    """The first bytes of each record as a ctypes Structure or Union. All of a batch share one buffer."""

    def __init__(self, cls: type[Any], name: str) -> None:
        import ctypes

        super().__init__(name, ctypes.sizeof(cls))
        if not self.size:
            raise ValueError(f"{name} has no bytes")
        # ctypes makes a class for each length of an array, which takes longer than the events do.
        self._arrays = [cls * (1 << power) for power in range(self.capacity.bit_length())]

    def unpack(self, ring: CData) -> list[Any]:
        count = ring.count
        if not count:
            return []
        power = (count - 1).bit_length()
        buffer = bytearray(ffi.buffer(ring.data, self.size << power))
        events: list[Any] = self._arrays[power].from_buffer(buffer)[:count]
        return events


class Values(Records[Any]):
    """The first bytes of each record as a value of a BTF type that is no struct: an int, an enum, a list."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec.name, codec.size)
        if not self.size:
            raise ValueError(f"{codec.name} has no bytes")
        self._decode = codec.decode

    def unpack(self, ring: CData) -> list[Any]:
        if not ring.count:
            return []
        data, decode = bytes(ffi.buffer(ring.data, ring.used)), self._decode
        return [decode(data, offset) for offset in range(0, ring.used, self.size)]


def records_of(of: object, btfs: Iterable[Btf]) -> Records[Any]:
    """The records of a type.

    Args:
        of: None for bytes, the name of a BTF type, a BTF type, or a class derived from
            ctypes.Structure or ctypes.Union.
        btfs: where a name is looked up, in this order.

    Raises:
        NameNotFoundError: there is no BTF type of that name.
        TypeError: it is no type, or one whose values are not in their bytes: a function, a
            structure of ctypes with pointers.
        ValueError: it has no bytes.
    """
    if of is None:
        return Raw()
    if isinstance(of, str):
        return _of_btf(_find(of, btfs))
    if isinstance(of, type):
        import ctypes

        if issubclass(of, (ctypes.Structure, ctypes.Union)):
            _require_plain(of, of.__name__)
            return Structures(of, of.__name__)
    else:
        from ..btf.types import Type

        if isinstance(of, Type):
            return _of_btf(of)
    raise TypeError(
        "the type of records is None, the name of a BTF type, a BTF type, or a class derived from "
        f"ctypes.Structure or ctypes.Union, not {of!r}"
    )


def _find(name: str, btfs: Iterable[Btf]) -> Type:
    missing = None
    for btf in btfs:
        try:
            return btf.find(name)
        except NameNotFoundError as error:
            # The names of the first Btf are the better suggestions: it is the object's own.
            missing = missing or error
    raise missing or NameNotFoundError("BTF type", name)


def _of_btf(of: Type) -> Records[Any]:
    from ..btf.types import Struct, Union

    if isinstance(of.btf.resolve(of), (Struct, Union)):
        return Structures(of.btf.to_ctypes(of), str(of))
    return Values(of.btf.codec(of))


def _require_plain(cls: Any, where: str) -> None:
    """TypeError for a class of ctypes with pointers: to read one is to follow an address out of the ring."""
    import ctypes

    while issubclass(cls, ctypes.Array):
        cls = cls._type_
    if issubclass(cls, (ctypes.Structure, ctypes.Union)):
        for base in cls.__mro__:
            for field in vars(base).get("_fields_", ()):
                _require_plain(field[1], f"{where}.{field[0]}")
    elif not issubclass(cls, ctypes._SimpleCData) or cls._type_ in ("z", "Z", "O"):
        raise TypeError(
            f"{where} is a {cls.__name__}: what comes from the kernel is no address to follow here; "
            "use c_void_p or c_uint64, which read as integers"
        )
