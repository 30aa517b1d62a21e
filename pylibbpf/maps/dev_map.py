# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Network devices to redirect to: BPF_MAP_TYPE_DEVMAP and BPF_MAP_TYPE_DEVMAP_HASH."""

from __future__ import annotations

from collections.abc import Iterator

from ..enums import MapType
from . import walk
from .array import SparseArray
from .typevars import V


class DevMap(SparseArray[V]):
    """Network devices by number. A value is an ifindex, u32, or a struct bpf_devmap_val that names an XDP
    program for the device too: its fd on the way in, its id on the way out.

    DEVMAP is an array of which elements can be missing, DEVMAP_HASH a hash table.

    Kernel: 4.14, hash 5.4; programs 5.8.
    """

    _type = MapType.DEVMAP
    _number = "an ifindex"
    _value_size = 4

    def _keys_one_by_one(self) -> Iterator[bytes]:
        return walk.keys(self) if self.type == MapType.DEVMAP_HASH else super()._keys_one_by_one()
