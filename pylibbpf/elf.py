# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What of an ELF file libbpf does not hand out: a section's bytes, and the functions that a library exports.

libbpf 1.7 has no accessor for an object's licence, which a program that is
loaded alone must bring to BPF_PROG_LOAD.
"""

from __future__ import annotations

import struct


def section(image: bytes | memoryview, name: str) -> bytes | None:
    """The content of a section of a 64-bit ELF file; None if it has no such section, or is no such file."""
    if len(image) < 64 or bytes(image[:5]) != b"\x7fELF\x02":
        return None
    order = ">" if image[5] == 2 else "<"
    table, entry_size, count, names = struct.unpack_from(order + "40xQ10xHHH", bytes(image[:64]))

    def header(index: int) -> tuple[int, int, int]:
        """Name offset, file offset and size of a section."""
        start = table + index * entry_size
        if index >= count or entry_size < 64 or start + 64 > len(image):
            return 0, 0, 0
        found: tuple[int, int, int] = struct.unpack_from(order + "I20xQQ", image, start)
        return found

    def content(offset: int, size: int) -> bytes:
        return bytes(image[offset : offset + size])

    strings = content(*header(names)[1:])
    for index in range(count):
        name_offset, offset, size = header(index)
        if strings[name_offset:].split(b"\0", 1)[0] == name.encode():
            return content(offset, size)
    return None


def license_of(image: bytes | memoryview) -> str:
    """The licence that a BPF object declares in SEC("license"), or ""."""
    return (section(image, "license") or b"").split(b"\0", 1)[0].decode(errors="replace")


def exported_functions(image: bytes) -> dict[str, set[int]]:
    """The functions in the dynamic symbol table of a 64-bit ELF file: where in the file each name begins."""
    symbols, strings = section(image, ".dynsym"), section(image, ".dynstr")
    if symbols is None or strings is None:
        return {}
    order = ">" if image[5] == 2 else "<"
    table, entry_size, count = struct.unpack_from(order + "32xQ14xHH", image)
    # p_type, p_offset, p_vaddr and p_filesz of the program headers; PT_LOAD is 1.
    headers = (struct.unpack_from(order + "I4xQQ8xQ", image, table + i * entry_size) for i in range(count))
    segments = [(address, size, offset) for kind, offset, address, size in headers if kind == 1]
    found: dict[str, set[int]] = {}
    # st_name, st_info, st_shndx and st_value; STT_FUNC is 2, and an index of 0 is a symbol of another file.
    whole = len(symbols) - len(symbols) % 24
    for at, info, index, value in struct.iter_unpack(order + "IBxHQ8x", symbols[:whole]):
        if info & 15 == 2 and index:
            name = strings[at : strings.find(b"\0", at)].decode(errors="surrogateescape")
            offsets = found.setdefault(name, set())
            offsets.update(
                value - start + at for start, size, at in segments if start <= value < start + size
            )
    return found
