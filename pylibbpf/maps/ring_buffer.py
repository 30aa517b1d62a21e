# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Ring buffers: BPF_MAP_TYPE_RINGBUF and BPF_MAP_TYPE_USER_RINGBUF."""

from __future__ import annotations

from ..enums import MapType
from .map import Map


class RingBufMap(Map):
    """A ring of records from programs. `RingBuffer` reads it. max_entries is its size in bytes.

    Kernel: 5.8.
    """

    _type = MapType.RINGBUF
    _key_size = 0
    _value_size = 0


class UserRingBufMap(Map):
    """A ring of records for programs. `UserRingBuffer` writes it. max_entries is its size in bytes.

    Kernel: 6.1.
    """

    _type = MapType.USER_RINGBUF
    _key_size = 0
    _value_size = 0
