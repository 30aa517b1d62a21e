# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""AF_XDP sockets: BPF_MAP_TYPE_XSKMAP."""

from __future__ import annotations

from ..enums import MapType
from .array import IndexedMap
from .files import FileMap


class XskMap(FileMap[int, int], IndexedMap[int]):
    """AF_XDP sockets by queue: `map[index] = socket`, `del map[index]`. They cannot be read back.

    Kernel: 4.18.
    """

    _type = MapType.XSKMAP
    _holds = "AF_XDP sockets that have their rings"
