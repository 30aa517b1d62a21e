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
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._native import NULL, ffi, lib
from ..errors import BpfError

if TYPE_CHECKING:
    from .._libbpf import CBuffer
    from .keyvalue import KeyValueMap
    from .map import Map

# The first batch is small, for those who want one key; then they grow up to so many bytes.
_FIRST = 32
_BYTES = 1 << 18

# Before 5.6, and for kinds without batches (ENOTSUPP of the kernel).
_NO_BATCHES = {-errno.EINVAL, -errno.EOPNOTSUPP, -524}


class NoBatchesError(Exception):
    """The kernel has no batches for this map. Raised before the first one."""


def batches(map: KeyValueMap[Any, Any], *, delete: bool = False) -> Iterator[tuple[CBuffer, CBuffer, int]]:
    """Keys, values and their number, batch by batch. A batch is overwritten by the next.

    Args:
        map: a map whose codecs are chosen.
        delete: take the elements out (bpf_map_lookup_and_delete_batch).

    Raises:
        NoBatchesError: at the first step, if the kernel cannot.
    """
    if not map._batches:
        raise NoBatchesError
    function = lib.bpf_map_lookup_and_delete_batch if delete else lib.bpf_map_lookup_batch
    element = map._key_codec.size + map._value_codec.size
    size, limit = min(_FIRST, max(1, _BYTES // element)), max(1, _BYTES // element)
    keys, values = map._batch_buffers(size)
    # A cursor is a bucket of a hash, or a key.
    cursors = [ffi.new("char[]", max(8, map._key_codec.size)) for _ in range(2)]
    here: Any = NULL
    count = ffi.new("uint32_t *")
    started = False
    while True:
        there = cursors[1] if here is cursors[0] else cursors[0]
        count[0] = size
        with map._fd_handle() as fd:
            result = function(fd, here, there, keys, values, count, NULL)
        if result == -errno.ENOSPC:
            # A bucket holds more than the batch: it comes again, whole.
            size *= 2
            keys, values = map._batch_buffers(size)
            continue
        if result in _NO_BATCHES and not started:
            raise NoBatchesError
        if result and result != -errno.ENOENT:
            map._fail(result, "read a batch of")
        started = True
        yield ffi.buffer(keys), ffi.buffer(values), count[0]
        if result == -errno.ENOENT:
            return
        here = there
        if size < limit:
            size = min(limit, size * 4)
            keys, values = map._batch_buffers(size)


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
                errno.EAGAIN, "iterate over map", f"'{map.name}'",
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
