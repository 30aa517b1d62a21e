# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A ring buffer whose positions and data are whatever the fuzzer says."""

from __future__ import annotations

import contextlib
import mmap
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pylibbpf._native import ffi, lib

if TYPE_CHECKING:
    import pylibbpf as bpf


class ForgedRing:
    """Memory as a ring buffer map's mapping has it: two pages of positions, the data twice in a row.

    Args:
        size: bytes of the ring.
        content: the consumer's position, the producer's, and the data, which repeat up to the size.
    """

    def __init__(self, size: int, content: bytes) -> None:
        consumer, producer = struct.unpack_from("<QQ", content[:16].ljust(16, b"\0"))
        pattern = content[16:] or b"\0"
        once = (pattern * (size // len(pattern) + 1))[:size]
        self.size = size
        self.positions = ffi.new("char[]", 2 * mmap.PAGESIZE)
        self.positions[0:8] = struct.pack("<Q", consumer)
        self.positions[mmap.PAGESIZE : mmap.PAGESIZE + 8] = struct.pack("<Q", producer)
        # Of exactly this size, so that AddressSanitizer sees the first byte outside.
        self.data = ffi.new("char[]", 2 * size)
        ffi.memmove(self.data, once * 2, 2 * size)

    @contextlib.contextmanager
    def in_place_of(self, reader: bpf.RingBuffer[Any]) -> Iterator[None]:
        """Has libbpf read this memory instead of the map's: writes into its struct ring (ringbuf.c)."""
        with reader._handle as pointer:
            ring = ffi.cast("uintptr_t *", lib.ring_buffer__ring(lib.glue_reader_ring(pointer, 0), 0))
            # sample_cb, ctx, and then these.
            real = ring[2], ring[3], ring[4]
            consumer = int(ffi.cast("uintptr_t", self.positions))
            ring[2], ring[3] = int(ffi.cast("uintptr_t", self.data)), consumer
            ring[4] = consumer + mmap.PAGESIZE
            try:
                yield
            finally:
                ring[2], ring[3], ring[4] = real
