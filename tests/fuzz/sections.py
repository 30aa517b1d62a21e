# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Mutates one section of an ELF file at a time: libelf refuses most files whose structure is broken."""

from __future__ import annotations

import random
import struct


def places(image: bytes) -> dict[str, tuple[int, int]]:
    """Where in a 64-bit little-endian ELF file its sections are, by name: offset and size."""
    try:
        table, entry_size, count, names_at = struct.unpack_from("<40xQ10xHHH", image)
        headers = [struct.unpack_from("<I20xQQ", image, table + i * entry_size) for i in range(count)]
        names = headers[names_at][1]
        return {
            image[names + name : image.find(b"\0", names + name)].decode("latin-1"): (offset, size)
            for name, offset, size in headers
            if offset + size <= len(image)
        } | {"(headers)": (table, min(count * entry_size, len(image) - table))}
    except (struct.error, IndexError):
        return {}


def content(image: bytes, name: str) -> bytes:
    """The bytes of a section, or none."""
    offset, size = places(image).get(name, (0, 0))
    return image[offset : offset + size]


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """libFuzzer's custom mutator: half of the time the whole, else a section that keeps its size."""
    import atheris  # type: ignore[import-untyped]

    choose = random.Random(seed)
    found = [place for place in places(data).values() if place[1] > 0]
    if not found or choose.random() < 0.3:
        return bytes(atheris.Mutate(data, max_size))
    offset, size = choose.choice(found)
    # A few bytes of a large section, so that the rest of it still makes sense.
    if size > 64 and choose.random() < 0.7:
        offset += choose.randrange(size - 32) & ~3
        size = choose.choice((4, 8, 16, 32))
    changed = bytes(atheris.Mutate(data[offset : offset + size], size)).ljust(size, b"\0")
    return data[:offset] + changed + data[offset + size :]
