# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Hash tables: BPF_MAP_TYPE_HASH and BPF_MAP_TYPE_LRU_HASH."""

from __future__ import annotations

import errno

from ..enums import MapType
from .keyvalue import KeyValueMap
from .typevars import K, V


class HashMap(KeyValueMap[K, V]):
    """A hash table, for example `HashMap[int, Event]`. All that a dict does, and flags.

    When it is full, a new key raises `BpfError` with E2BIG.

    Kernel: 3.19; `pop` 5.14, batches 5.6.
    """

    _type = MapType.HASH
    _batches = True


class LruHashMap(HashMap[K, V]):
    """A hash table that drops the least recently used keys when it is full.

    The kernel may drop some before that: each CPU takes free elements in advance.

    Kernel: 4.10; `pop` 5.14, batches 5.6.
    """

    _type = MapType.LRU_HASH

    def _hint(self, number: int, flags: int) -> str:
        if number == errno.ENOMEM:
            return "No element could be dropped: all are in use by programs, or free ones wait on other CPUs."
        return super()._hint(number, flags)
