# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What libbpf has no look-up for: enumerators and declaration tags, found by one pass over the types."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .._native import ffi
from .types import DeclTag, Enum, Kind, tail_size

if TYPE_CHECKING:
    from .._libbpf import CData
    from .btf import Btf

_WANTED = {Kind.ENUM, Kind.ENUM64, Kind.DECL_TAG}


class Index:
    """Enumerators and tags of a Btf, those of its base included.

    Attributes:
        enumerators: their values by name; of several with one name, the first.
        tags: ids of the tags of each type that has some.
    """

    def __init__(self, btf: Btf) -> None:
        base = btf.base
        self.enumerators: dict[str, int] = dict(base._index.enumerators) if base is not None else {}
        self.tags: dict[int, list[int]] = dict(base._index.tags) if base is not None else {}
        for type_id in _ids(btf):
            found = btf[type_id]
            if isinstance(found, DeclTag):
                self.tags[found.type_id] = [*self.tags.get(found.type_id, ()), type_id]
            elif isinstance(found, Enum):
                for name, value in found.values:
                    self.enumerators.setdefault(name, value)


def _ids(btf: Btf) -> list[int]:
    """The ids of the types that matter here: by their raw form, which costs a tenth of objects."""
    with btf._handle as pointer:
        return _ids_of(btf, pointer)


def _ids_of(btf: Btf, pointer: CData) -> list[int]:
    data = btf._raw_data(pointer)
    order = ">" if btf.byteorder == "big" else "<"
    header_size, start, size = struct.unpack_from(f"{order}4xIII", data)
    position, end = header_size + start, header_size + start + size
    type_id = btf._start(pointer)
    unpack = struct.Struct(f"{order}4xI").unpack_from
    types = memoryview(ffi.buffer(ffi.from_buffer(data), end))
    found = []
    while position < end:
        (info,) = unpack(types, position)
        if info >> 24 & 0x1F in _WANTED:
            found.append(type_id)
        position += 12 + tail_size(info)
        type_id += 1
    return found
