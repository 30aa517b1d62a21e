# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Sockets to redirect to: BPF_MAP_TYPE_SOCKMAP and BPF_MAP_TYPE_SOCKHASH."""

from __future__ import annotations

from ..enums import MapType
from .array import IndexedMap
from .files import FileMap
from .typevars import K


class SockMap(FileMap[int, int], IndexedMap[int]):
    """Sockets by index: `map[index] = socket`, `del map[index]`; `map[index]` is the socket's cookie
    if value_size is 8 (5.5).

    A socket leaves the map when it is closed.

    Kernel: 4.14.
    """

    _type = MapType.SOCKMAP
    _value_size = 8


class SockHash(FileMap[K, int]):
    """Sockets by key: `map[key] = socket`, `del map[key]`; `map[key]` is the socket's cookie
    if value_size is 8 (5.5).

    A socket leaves the map when it is closed.

    Kernel: 4.18.
    """

    _type = MapType.SOCKHASH
    _value_size = 8
