# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Arenas: BPF_MAP_TYPE_ARENA."""

from __future__ import annotations

from ..enums import MapFlags, MapType
from .map import Map


class Arena(Map):
    """Sparse memory that programs and user space share. max_entries is its size in pages, and `map_extra`
    the address where user space shall map it.

    Kernel: 6.9.
    """

    _type = MapType.ARENA
    _key_size = 0
    _value_size = 0
    _create_flags = MapFlags.MMAPABLE
