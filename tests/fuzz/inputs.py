# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the targets get first: good inputs to begin with, and those that once found a fault."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.fuzz import sections
from tests.fuzz.targets import OBJECTS

# In a directory for each target. Every fault that was found has its input here.
FOUND = Path(__file__).resolve().parent / "found"
# Larger objects have nothing that the smaller ones have not, and make each run slower.
_LARGEST_OBJECT, _LARGEST_BTF = 12288, 3000


def seeds(target: str) -> dict[str, bytes]:
    """Good inputs of a target, by name."""
    objects = {path.name: path.read_bytes() for path in sorted(OBJECTS.glob("*.bpf.o"))}
    if target in ("object", "elf"):
        return {name: image for name, image in objects.items() if len(image) < _LARGEST_OBJECT}
    if target in ("btf", "btf_ext"):
        wanted = ".BTF" if target == "btf" else ".BTF.ext"
        found = {name: sections.content(image, wanted) for name, image in objects.items()}
        return {name: image for name, image in found.items() if 0 < len(image) < _LARGEST_BTF}
    if target in ("peek", "ring"):
        # The positions, and one record of 8 bytes, which repeats.
        return {"records": struct.pack("<QQ", 0, 32) + struct.pack("<II", 8, 0) + b"12345678"}
    return {"zeroes": bytes(64)}


def found(target: str) -> dict[str, bytes]:
    """Inputs that found a fault of a target, by name."""
    return {path.name: path.read_bytes() for path in sorted((FOUND / target).glob("*.bin"))}
