# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs that maps of an object name: in the initialiser of a PROG_ARRAY, or in a struct_ops map.

libbpf puts them into their maps during `bpf_object__load`, which fails if one of them is not loaded
with it, and does not hand out which they are. The relocations of the file tell.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

# include/uapi/linux/elf.h
_SHT_RELA, _SHT_REL = 4, 9
_STT_FUNC = 2
# libbpf.c:bpf_object__elf_collect: ".struct_ops", ".struct_ops.link", and with "?" in front where the
# map is not created by default.
_SECTIONS = (".maps", ".struct_ops", ".struct_ops.link", "?.struct_ops", "?.struct_ops.link")


def programs_in_maps(image: bytes | memoryview) -> frozenset[str]:
    """The names of the programs that maps of an ELF file name; none for what is no such file."""
    if len(image) < 64 or bytes(image[:5]) != b"\x7fELF\x02":
        return frozenset()
    order = ">" if image[5] == 2 else "<"
    try:
        return frozenset(_named(image, order))
    except (struct.error, IndexError, OverflowError):
        return frozenset()  # cut short, or with offsets beyond all files: libbpf says so better


def _named(image: bytes | memoryview, order: str) -> Iterator[str]:
    table, entry_size, count, names_at = struct.unpack_from(order + "40xQ10xHHH", image)
    headers = [
        # name, type, offset, size, link, info, entry size
        struct.unpack_from(order + "II16xQQII8xQ", image, table + index * entry_size)
        for index in range(count)
    ]
    section_names = headers[names_at][2]
    for _, kind, offset, size, symbols_at, target, step in headers:
        if kind not in (_SHT_REL, _SHT_RELA) or not step or target >= count:
            continue
        if _string(image, section_names + headers[target][0]) not in _SECTIONS:
            continue
        _, _, symbols, _, strings_at, _, symbol_size = headers[symbols_at]
        strings = headers[strings_at][2]
        for place in range(offset, offset + size, step):
            (info,) = struct.unpack_from(order + "8xQ", image, place)
            name, flags = struct.unpack_from(order + "IB", image, symbols + (info >> 32) * symbol_size)
            if flags & 0xF == _STT_FUNC:
                yield _string(image, strings + name)


def _string(image: bytes | memoryview, offset: int) -> str:
    end = offset
    while end < len(image) and image[end]:
        end += 1
    return bytes(image[offset:end]).decode(errors="surrogateescape")
