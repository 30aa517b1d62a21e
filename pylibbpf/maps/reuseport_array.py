# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Arrays of SO_REUSEPORT sockets: BPF_MAP_TYPE_REUSEPORT_SOCKARRAY."""

from __future__ import annotations

from ..enums import MapType
from .array import IndexedMap
from .files import FileMap


class ReuseportArray(FileMap[int, int], IndexedMap[int]):
    """Sockets to choose from: `map[index] = socket`, `del map[index]`; `map[index]` is the socket's cookie
    if value_size is 8.

    Kernel: 4.19.
    """

    _type = MapType.REUSEPORT_SOCKARRAY
    _holds = "sockets with SO_REUSEPORT: UDP ones that are bound, TCP ones that listen"
    _value_size = 8
