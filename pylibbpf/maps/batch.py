# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Many elements by one system call: what `lookup_batch` and its siblings return, and how they work.

Where the kernel or a kind of map has no batches, single calls take their place,
so that a program need not ask which kernel it runs on.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from struct import error as StructError
from struct import pack
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from .._native import ffi, lib
from ..enums import UpdateFlags
from ..errors import BpfError
from . import walk
from .elements import decode_many, is_plain_number
from .percpu import PerCpuCodec, wants_one
from .typevars import K, V

if TYPE_CHECKING:
    from ..btf.codec import Codec
    from .keyvalue import KeyValueMap

# Bytes of keys and values that one system call gets at most: it cannot be interrupted.
_BYTES = 1 << 22


class Cursor:
    """How far a walk by `lookup_batch` has come. Give it to the next call.

    It can be kept: it holds nothing in the kernel.
    """

    __slots__ = ("_map", "_position", "_rest")

    def __init__(self, map: KeyValueMap[Any, Any], position: bytes, rest: Iterator[bytes] | None) -> None:
        self._map = map
        # What the kernel calls a batch; and without batches, the keys still to come.
        self._position = position
        self._rest = rest

    def __repr__(self) -> str:
        return f"<Cursor in {self._map!r}>"


if TYPE_CHECKING:

    class _Fields(NamedTuple, Generic[K, V]):
        keys: list[K]
        values: list[V]
        cursor: Cursor | None

else:
    # What type checkers are told, a named tuple can be only since Python 3.11.
    class _Plain(NamedTuple):
        keys: list[Any]
        values: list[Any]
        cursor: Cursor | None

    class _Fields(_Plain, Generic[K, V]):
        __slots__ = ()


class Batch(_Fields[K, V]):
    """Elements that one call read.

    Attributes:
        keys: their keys.
        values: their values, in the same order.
        cursor: what to go on from, or None if these were the last ones.
    """

    __slots__ = ()


def read(map: KeyValueMap[K, V], count: int, cursor: Cursor | None, *, delete: bool) -> Batch[K, V]:
    """The next elements of a walk."""
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"count is an int, not {type(count).__name__}")
    if count < 1:
        raise ValueError(f"count is {count}, and a batch has at least one element")
    if not isinstance(cursor, Cursor | None):
        raise TypeError(f"cursor is that of the batch before, or None, not {type(cursor).__name__}")
    if cursor is not None and cursor._map is not map:
        raise ValueError(f"{cursor!r} is of another map")
    if cursor is None or cursor._rest is None:
        try:
            return _read_batch(map, count, cursor, delete)
        except walk.NoBatchesError:
            pass
    rest = cursor._rest if cursor is not None and cursor._rest is not None else map._keys_one_by_one()
    return _read_singly(map, count, rest, delete)


def _read_batch(map: KeyValueMap[K, V], count: int, cursor: Cursor | None, delete: bool) -> Batch[K, V]:
    position = None if cursor is None else cursor._position
    # No map has more elements than it has room for, but a user may ask for very many.
    found = walk.batch(map, position, min(count, map.max_entries or 1), delete=delete)
    return Batch(
        decode_many(map._key_codec, found.keys, found.length),
        decode_many(map._value_codec, found.values, found.length),
        None if found.position is None else Cursor(map, found.position, None),
    )


def _read_singly(map: KeyValueMap[K, V], count: int, rest: Iterator[bytes], delete: bool) -> Batch[K, V]:
    keys, values = [], []
    for key in rest:
        value = map._pop_encoded(key) if delete else map._lookup_encoded(key, 0)
        if value is None:  # it was deleted between the two calls
            continue
        keys.append(map._key_codec.decode(key))
        values.append(map._value_codec.decode(value))
        if len(keys) == count:
            return Batch(keys, values, Cursor(map, b"", rest))
    return Batch(keys, values, None)


def write(map: KeyValueMap[K, V], keys: Any, values: Any, flags: int) -> None:
    """Writes elements."""
    value_codec = map._value_codec
    if wants_one(flags) and isinstance(value_codec, PerCpuCodec):
        value_codec = value_codec.element  # one value for each key, and no bytes between
    encoded_keys = _encoded(map._key_codec, keys, "keys")
    encoded_values = _encoded(value_codec, values, "values")
    key_size, value_size = map._key_codec.size, value_codec.size
    count = len(encoded_keys) // key_size
    if len(encoded_values) // value_size != count:
        raise ValueError(f"there are {count} keys and {len(encoded_values) // value_size} values")

    def together(start: int, length: int) -> tuple[int, int | None]:
        arrays = _part(encoded_keys, start * key_size), _part(encoded_values, start * value_size)
        return _call(map, lib.bpf_map_update_batch, arrays, length, flags)

    # A kernel that does not know the flags reads a value for each CPU before it says so.
    room = bytes(map._value_codec.size - value_size)

    def alone(index: int) -> int:
        key, value = _part(encoded_keys, index * key_size), _part(encoded_values, index * value_size)
        if room:
            value = ffi.buffer(value, value_size)[:] + room
        with map._fd_handle() as fd:
            return lib.bpf_map_update_elem(fd, key, value, flags)

    # The kernel takes the other flags for single elements only (syscall.c:generic_map_update_batch).
    can = map._batches and not flags & ~(UpdateFlags.LOCK | UpdateFlags.CPU | UpdateFlags.ALL_CPUS)
    for index, result in _apply(count, key_size + value_size, together if can else None, alone):
        try:
            map._put_failed(result, map._key_codec.decode(encoded_keys, index * key_size), flags)
        except BpfError as error:
            error.hint = f"{error.hint} {index} of {count} elements were written before.".strip()
            raise


def delete(map: KeyValueMap[K, V], keys: Any) -> int:
    """Deletes keys and returns how many there were."""
    encoded, size = _encoded(map._key_codec, keys, "keys"), map._key_codec.size
    count = len(encoded) // size
    deleted = count

    def together(start: int, length: int) -> tuple[int, int | None]:
        return _call(map, lib.bpf_map_delete_batch, (_part(encoded, start * size),), length, 0)

    def alone(index: int) -> int:
        with map._fd_handle() as fd:
            return lib.bpf_map_delete_elem(fd, _part(encoded, index * size))

    for index, result in _apply(count, size, together if map._batches else None, alone):
        if result == -errno.ENOENT:
            deleted -= 1
            continue
        try:
            map._fail(result, "delete a key of")
        except BpfError as error:
            error.hint = f"{error.hint} {index} of {count} keys were deleted before.".strip()
            raise
    return deleted


def _apply(
    count: int,
    size: int,
    together: Callable[[int, int], tuple[int, int | None]] | None,
    alone: Callable[[int], int],
) -> Iterator[tuple[int, int]]:
    """Does something with each of so many elements, in batches as far as the kernel has them.

    Args:
        count: how many there are.
        size: bytes of one.
        together: does it with so many from one on. Returns what the kernel answered and how many it did,
            None if it has no batches.
        alone: does it with one, and returns what the kernel answered.

    Yields:
        Each element that the kernel refused, by its index, and the answer. It is passed over then.
    """
    done, most = 0, max(1, _BYTES // size)
    while done < count:
        if together is None:
            result = alone(done)
            done += not result
        else:
            result, step = together(done, min(most, count - done))
            if step is None:
                together = None
                continue
            done += step
        if result:
            yield done, result
            done += 1


def _call(
    map: KeyValueMap[Any, Any], function: Any, arrays: tuple[Any, ...], length: int, flags: int
) -> tuple[int, int | None]:
    options = ffi.new("struct bpf_map_batch_opts *")
    options.sz = ffi.sizeof("struct bpf_map_batch_opts")
    options.elem_flags = flags
    counted = ffi.new("uint32_t *", length)
    with map._fd_handle() as fd:
        result = function(fd, *arrays, counted, options)
    if result and counted[0] == length:
        # It did not begin: for want of batches, or of those with these flags, or for the map as a whole.
        return result, None if result in walk.NO_BATCHES else 0
    return result, counted[0]


def _encoded(codec: Codec, values: Any, what: str) -> Any:
    """Values one behind the other: those of a NumPy array as they lie there, if it is of the right type."""
    if hasattr(values, "dtype"):
        from .arrays import encoded_array

        return encoded_array(codec, values, what)
    if isinstance(values, (str, bytes, bytearray, memoryview)) or not isinstance(values, Iterable):
        raise TypeError(f"{what} are a sequence or an array, not {type(values).__name__}")
    values = list(values)
    if is_plain_number(codec):
        try:
            return pack(f"={len(values)}{codec.format}", *values)
        except (StructError, OverflowError):
            pass  # one of them does not fit: the loop finds out which
    return b"".join([_encoded_one(codec, value, what, index) for index, value in enumerate(values)])


def _encoded_one(codec: Codec, value: Any, what: str, index: int) -> bytes:
    try:
        return codec.encode(value)
    except (TypeError, ValueError, OverflowError):
        return codec.encode(value, f"{what}[{index}]")


def _part(data: Any, offset: int) -> Any:
    return ffi.from_buffer(data) + offset
