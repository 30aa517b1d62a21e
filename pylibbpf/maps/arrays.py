# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Whole maps as NumPy arrays, and NumPy arrays as keys and values."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, NamedTuple

from .._native import ffi
from ..btf.codec import IntCodec
from ..btf.dtype import dtype_of
from . import walk
from .percpu import PerCpuCodec

if TYPE_CHECKING:
    import numpy

    from ..btf.codec import Codec
    from .keyvalue import KeyValueMap

# Bytes of the first part, and how the memory grows: the kernel does not say how many elements there are.
_FIRST = 1 << 20
_GROWTH = 1.25


class MapArrays(NamedTuple):
    """All elements of a map.

    Attributes:
        keys: their keys.
        values: their values, in the same order.
    """

    keys: numpy.ndarray[Any, Any]
    values: numpy.ndarray[Any, Any]


def to_arrays(map: KeyValueMap[Any, Any]) -> MapArrays:
    """All elements of a map whose codecs are chosen."""
    # First, so that a missing NumPy is said as dtype_of says it.
    dtype_of(map._key_codec)
    key_size, value_size = map._key_codec.size, map._value_codec.size
    room = max(1, min(map.max_entries, _FIRST // (key_size + value_size)))
    keys, values = _Column(key_size, room), _Column(value_size, room)
    count = 0
    try:
        count = _read_batches(map, keys, values)
    except walk.NoBatchesError:
        for key, value, _ in walk.chunks(map, values=True):
            if count >= keys.room:
                _grow(count, keys, values)
            keys.put(count, key)
            values.put(count, value)
            count += 1
    return MapArrays(
        shaped(map._key_codec, keys.finished(count)), shaped(map._value_codec, values.finished(count))
    )


def _read_batches(map: KeyValueMap[Any, Any], keys: _Column, values: _Column) -> int:
    """Reads straight into the columns."""
    position: bytes | None = None
    done = 0
    while True:
        step = walk.batch_into(map, position, keys.at(done), values.at(done), keys.room - done)
        if step is not None:
            done += step[0]
            position = step[1]
            if position is None:
                return done
        if step is None or done == keys.room:
            _grow(keys.room, keys, values)  # a bucket may hold more than what is left


def _grow(count: int, *columns: _Column) -> None:
    for column in columns:
        column.resize(max(64, int(count * _GROWTH)))


class _Column:
    """Bytes of keys, or of values, with room for more behind them.

    Pages of their own, which mremap(2) moves without a copy however large they are. ndarray.resize cannot
    promise that: realloc(3) copies what lies in the heap, and what has huge pages in only a part of it.
    """

    def __init__(self, size: int, room: int) -> None:
        self.size = size
        self.room = room
        self._pages = mmap.mmap(-1, _whole_pages(size * room), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._start = ffi.from_buffer(self._pages)

    def resize(self, room: int) -> None:
        length = _whole_pages(self.size * room)
        if length != len(self._pages):
            ffi.release(self._start)
            self._pages.resize(length)
            self._start = ffi.from_buffer(self._pages)
        self.room = room

    def at(self, index: int) -> Any:
        """The address of an element."""
        return self._start + index * self.size

    def put(self, index: int, element: Any) -> None:
        ffi.memmove(self.at(index), element, self.size)

    def finished(self, count: int) -> numpy.ndarray[Any, Any]:
        """The first elements as an array, which keeps the pages."""
        import numpy

        self.resize(count)
        return numpy.frombuffer(self._pages, "u1", count * self.size)


def _whole_pages(size: int) -> int:
    return max(1, -(-size // mmap.PAGESIZE)) * mmap.PAGESIZE


def shaped(codec: Codec, data: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """Bytes as an array of what they mean. They are shared."""
    import numpy

    dtype = dtype_of(_element(codec))
    # An array in each element has dimensions of its own.
    inner, dimensions = dtype.subdtype or (dtype, ())
    one: numpy.ndarray[Any, Any] = numpy.empty(dimensions, inner)
    count = len(data) // codec.size
    shape: tuple[int, ...] = (count,)
    strides: tuple[int, ...] = (codec.size,)
    if isinstance(codec, PerCpuCodec):
        shape, strides = (count, codec.cpus), (codec.size, codec.stride)
    made: numpy.ndarray[Any, Any] = numpy.ndarray(
        (*shape, *dimensions), inner, data, strides=(*strides, *one.strides)
    )
    return made


def _element(codec: Codec) -> Codec:
    """The codec of a value on one CPU."""
    return codec.element if isinstance(codec, PerCpuCodec) else codec


def encoded_array(codec: Codec, values: Any, what: str) -> Any:
    """The bytes of an array of values; shared if they lie as the kernel wants them."""
    import numpy

    dtype = dtype_of(_element(codec))
    inner, dimensions = dtype.subdtype or (dtype, ())
    expected = (*((codec.cpus,) if isinstance(codec, PerCpuCodec) else ()), *dimensions)
    if values.shape[1:] != expected or not values.ndim:
        wanted = ", ".join(("n", *map(str, expected)))
        raise ValueError(f"{what}: an array of {codec.name} has the shape ({wanted}), not {values.shape}")
    if values.dtype != inner:
        values = _converted(_element(codec), values, inner, what)
    if isinstance(codec, PerCpuCodec):
        # The bytes between the values of two CPUs are zero, as in PerCpuCodec.encode.
        laid_out = numpy.zeros(len(values) * codec.size, "u1")
        shaped(codec, laid_out)[...] = values
        values = laid_out
    return _bytes_of(numpy.ascontiguousarray(values))


def _converted(codec: Codec, values: Any, dtype: numpy.dtype[Any], what: str) -> Any:
    """Integers of another size, if all of them fit. Nothing else is converted."""
    import numpy

    if type(codec) is not IntCodec or values.dtype.kind not in "iu":
        raise TypeError(f"{what}: {codec.name} takes an array of {dtype}, not of {values.dtype}")
    if len(values):
        limits = numpy.iinfo(dtype)
        for value in (int(values.min()), int(values.max())):
            if not limits.min <= value <= limits.max:
                raise OverflowError(
                    f"{what}: {value} does not fit {codec.name} ({limits.min} to {limits.max})"
                )
    return values.astype(dtype)


def _bytes_of(values: Any) -> Any:
    """The memory of a contiguous array. Not by the buffer protocol, which has no overlapping fields."""
    return memoryview(values.reshape(-1).view("u1")) if values.size else b""
