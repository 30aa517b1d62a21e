# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Walks through a map: in batches where the kernel can, else key by key.

A batch walk of a hash keeps a bucket as its cursor (kernel/bpf/hashtab.c:
__htab_map_lookup_and_delete_batch). Keys that come and go do not move it, so
that it ends, and passes no key that stays.

A walk key by key asks for the key behind the last one. When that one was
deleted meanwhile, most kinds begin anew at their first key, which would make
it see keys twice, or go on for ever.
"""

from __future__ import annotations

import errno
from _thread import get_ident
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .._native import NULL, ffi, lib
from ..errors import BpfError

if TYPE_CHECKING:
    from .._libbpf import CBuffer, CData
    from .keyvalue import KeyValueMap
    from .map import Map

# The first batch is small, for those who want one key; then they grow up to so many bytes.
_FIRST = 32
_BYTES = 1 << 18

# Before 5.6, and for kinds without batches (ENOTSUPP of the kernel).
NO_BATCHES = {-errno.EINVAL, -errno.EOPNOTSUPP, -524}


class NoBatchesError(Exception):
    """The kernel has no batches for this map. Raised before the first one."""


class Ahead:
    """A walk that has an iterator and was not stepped yet.

    `list(map)` makes an iterator, asks the map for its length, and then steps. So the
    walk that counts is kept for the iterator: what would be two walks is one.

    Attributes:
        values: whether the iterator wants values.
        begun: whether it was stepped.
        thread: the thread that made it: the length that another one asks for is not for it.
        chunks: what was read when the length was asked for.
    """

    __slots__ = ("begun", "chunks", "thread", "values")

    def __init__(self, values: bool) -> None:
        self.values = values
        self.begun = False
        self.thread = get_ident()
        self.chunks: deque[tuple[Any, Any, int]] | None = None

    def read(self, map: KeyValueMap[Any, Any]) -> int:
        """Walks through the map, keeps all of it, and returns the number of its keys."""
        kept = deque(
            (keys[: count * map._key_codec.size], values[: count * map._value_codec.size], count)
            for keys, values, count in chunks(map, self.values)
        )
        self.chunks = kept
        return sum(count for _, _, count in kept)

    def walk(self, map: KeyValueMap[Any, Any]) -> Iterator[tuple[Any, Any, int]]:
        """Keys, values and their number, chunk by chunk: what was kept, or the map as it is now."""
        self.begun = True
        kept = self.chunks
        if kept is None:
            yield from chunks(map, self.values)
            return
        while kept:
            yield kept.popleft()


def chunks(map: KeyValueMap[Any, Any], values: bool) -> Iterator[tuple[Any, Any, int]]:
    """Keys, values and their number: batches where the kernel has them, else one key at a time.

    Args:
        map: a map whose codecs are chosen.
        values: whether values are wanted, which take a call of their own where there are no batches.
    """
    try:
        for found in batches(map):
            yield found.keys, found.values, found.length
        return
    except NoBatchesError:
        pass
    for key in map._keys_one_by_one():
        value = map._lookup_encoded(key, 0) if values else b""
        if value is not None:  # else it was deleted between the two calls
            yield key, value, 1


class Found(NamedTuple):
    """What one batch has.

    Attributes:
        keys, values: the memory of its keys and values, which nobody else uses.
        length: how many there are.
        position: what the kernel calls a batch, to go on from, or None at the end: a bucket of a hash,
            or a key.
    """

    keys: CBuffer
    values: CBuffer
    length: int
    position: bytes | None


def batch(map: KeyValueMap[Any, Any], position: bytes | None, size: int, *, delete: bool = False) -> Found:
    """One batch.

    Args:
        map: a map whose codecs are chosen.
        position: where it begins; None for the beginning of the map.
        size: how many elements there is room for. A bucket with more of them comes whole all the same.
        delete: take the elements out (bpf_map_lookup_and_delete_batch).

    Raises:
        NoBatchesError: at the beginning of the map, if the kernel has no batches for it.
    """
    while True:
        keys = ffi.new("char[]", size * map._key_codec.size)
        values = ffi.new("char[]", size * map._value_codec.size)
        step = batch_into(map, position, keys, values, size, delete=delete)
        if step is not None:
            return Found(ffi.buffer(keys), ffi.buffer(values), *step)
        size *= 2


def batch_into(
    map: KeyValueMap[Any, Any],
    position: bytes | None,
    keys: CData,
    values: CData,
    size: int,
    *,
    delete: bool = False,
) -> tuple[int, bytes | None] | None:
    """One batch into memory that has room for `size` elements; None if not even one bucket fits.

    Returns:
        How many elements were read, and the position behind them, None at the end.
    """
    if not map._batches:
        raise NoBatchesError
    function = lib.bpf_map_lookup_and_delete_batch if delete else lib.bpf_map_lookup_batch
    here: Any = NULL if position is None else ffi.from_buffer(position)
    there = ffi.new("char[]", max(8, map._key_codec.size))
    count = ffi.new("uint32_t *", size)
    with map._fd_handle() as fd:
        result = function(fd, here, there, keys, values, count, NULL)
    if result == -errno.ENOSPC:
        return None
    if result in NO_BATCHES and position is None:
        raise NoBatchesError
    if result and result != -errno.ENOENT:
        map._fail(result, "read a batch of")
    return count[0], None if result else bytes(ffi.buffer(there))


def batches(map: KeyValueMap[Any, Any], *, delete: bool = False) -> Iterator[Found]:
    """The whole map, batch by batch. Arguments and errors as for `batch`."""
    limit = max(1, _BYTES // (map._key_codec.size + map._value_codec.size))
    size = min(_FIRST, limit)
    found = batch(map, None, size, delete=delete)
    yield found
    while found.position is not None:
        size = min(limit, max(size, found.length) * 4)
        found = batch(map, found.position, size, delete=delete)
        yield found


def keys(map: Map) -> Iterator[bytes]:
    """Every key, once, asking for one after the other.

    When the last key has vanished and the kernel begins anew, this goes back to
    one that is still there, and on from it. The kernel itself can pass over the
    neighbour of a key that is deleted and put back at that moment (lpm_trie.c:
    trie_get_next_key compares pointers), so that this walks twice.

    Raises:
        BpfError: EAGAIN, when keys come or go faster than they can be read.
    """
    most = 16 * map.max_entries + 100_000
    # Each key that was seen, and how many there were before it.
    seen: dict[bytes, int] = {}
    # The keys up to the one that the walk stands on, as far as they have not vanished.
    trail: list[bytes] = []
    again = True
    fruitless = 0
    while True:
        key = map.next_key_bytes(trail[-1] if trail else None)
        if key is None:
            if not again or not trail:
                return
            again = False
            trail.clear()
            continue
        if fruitless > 16 * len(seen) + 10_000 or len(seen) > most:
            raise BpfError(
                errno.EAGAIN, "iterate over", map._label,
                hint="Its keys come and go faster than they can be read.",
            )  # fmt: skip
        if key not in seen:
            seen[key] = len(seen)
            fruitless = 0
            yield key
        else:
            fruitless += 1
            if trail and seen[key] <= seen[trail[-1]] and _is_new_beginning(map, key, trail[-1]):
                trail.pop()
                continue
        trail.append(key)


def _is_new_beginning(map: Map, key: bytes, behind: bytes) -> bool:
    """Whether the kernel gave a key because the one that it should be behind has vanished.

    If not, the key was deleted and has come back further on.
    """
    if key == map.next_key_bytes():
        return True
    try:
        return map.lookup_bytes(behind) is None
    except BpfError:
        return False  # a kind whose values cannot be read
