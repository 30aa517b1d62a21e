# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BtfExt: the section .BTF.ext of an object, which ties instructions to types, lines and relocations."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from .. import elf
from .._native import create, ffi, lib
from ..errors import BpfError, FormatError, from_errno
from .btf import Btf
from .types import malformed

if TYPE_CHECKING:
    from .btf import Buffer, StrPath
    from .types import Type


class FunctionInfo(NamedTuple):
    """A function begins: at `offset` bytes in its section, of the Func `type`."""

    offset: int
    type: Type


class LineInfo(NamedTuple):
    """A source line begins: at `offset` bytes in its section; `file`, `line` number and `column`, and its
    `text`."""

    offset: int
    file: str
    line: int
    column: int
    text: str


class Relocation(NamedTuple):
    """A CO-RE relocation of the instruction at `offset` bytes in its section.

    `type` is the type that it begins at, `access` the way from there by numbers of members, "0:1:2", and
    `kind` what is wanted, enum bpf_core_relo_kind: 0 the field's byte offset.
    """

    offset: int
    type: Type
    access: str
    kind: int


class BtfExt:
    """What .BTF.ext says of each section of an object.

    Attributes:
        btf: the types that it refers to. They must stay open.
        functions: where functions begin, by section.
        lines: where source lines begin, by section.
        relocations: the CO-RE relocations, by section.
    """

    def __init__(self, btf: Btf, data: Buffer) -> None:
        """Reads .BTF.ext.

        Args:
            btf: the types of the same object.
            data: the contents of the section.

        Raises:
            FormatError: it is no .BTF.ext, or broken, or of the other byte order.

        libbpf: btf_ext__new.
        """
        self.btf = btf
        self._data = bytes(data)
        self._require_valid()
        header = struct.unpack_from("=4xIIIII", self._data)
        start, functions, functions_size, lines, lines_size = header
        relocations, relocations_size = struct.unpack_from("=II", self._data, 24) if start >= 32 else (0, 0)
        self.functions = {
            section: [FunctionInfo(offset, self._type(type_id)) for offset, type_id in records]
            for section, records in self._part(start + functions, functions_size, "II")
        }
        self.lines = {
            section: [
                LineInfo(offset, self._string(file), at >> 10, at & 0x3FF, self._string(text))
                for offset, file, text, at in records
            ]
            for section, records in self._part(start + lines, lines_size, "IIII")
        }
        self.relocations = {
            section: [
                Relocation(offset, self._type(type_id), self._string(access), kind)
                for offset, type_id, access, kind in records
            ]
            for section, records in self._part(start + relocations, relocations_size, "IIII")
        }

    @classmethod
    def from_elf(cls, path: StrPath, btf: Btf) -> BtfExt:
        """The .BTF.ext of an object file.

        Args:
            path: the file.
            btf: its types, `Btf.from_elf(path)`.

        Raises:
            NotFoundError: there is no such file.
            FormatError: it has none, or a broken one.
        """
        try:
            with open(path, "rb") as file:
                data = elf.section(file.read(), ".BTF.ext")
        except OSError as error:
            raise from_errno(error.errno or 0, "read the BTF of", f"'{path!s}'") from error
        if data is None:
            raise FormatError(errno.ENODATA, "find .BTF.ext in", f"'{path!s}'")
        return cls(btf, data)

    def to_bytes(self) -> bytes:
        """The contents of the section."""
        return self._data

    def _require_valid(self) -> None:
        """Has libbpf look at it: it checks sizes and bounds (btf.c:btf_ext_parse)."""
        try:
            create(
                lib.call_btf_ext__new,
                ffi.from_buffer(self._data),
                len(self._data),
                free=lib.btf_ext__free,
                operation="parse",
                subject=".BTF.ext",
            ).close()
        except BpfError as error:
            raise FormatError(
                error.errno or errno.EINVAL, "parse", ".BTF.ext", messages=error.messages
            ) from error
        if self._data[:2] != struct.pack("=H", 0xEB9F):
            raise FormatError(errno.EINVAL, "parse", ".BTF.ext", hint="It is of the other byte order.")

    def _part(self, start: int, size: int, format: str) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
        """The records of one kind, section by section. Newer compilers may make longer records."""
        if not size:
            return
        position, end = start + 4, start + size
        (record_size,) = struct.unpack_from("=I", self._data, start)
        record = struct.Struct(f"={format}")
        while position < end:
            name, count = struct.unpack_from("=II", self._data, position)
            position += 8
            places = range(position, position + count * record_size, record_size)
            yield self._string(name), [record.unpack_from(self._data, place) for place in places]
            position += count * record_size

    def _type(self, type_id: int) -> Type:
        try:
            return self.btf[type_id]
        except IndexError:
            raise malformed(".BTF.ext", f"it refers to type [{type_id}], which does not exist") from None

    def _string(self, offset: int) -> str:
        with self.btf._handle as pointer:
            found = lib.btf__str_by_offset(pointer, offset)
            if not found:
                raise malformed(".BTF.ext", f"a string lies at {offset}, outside of the types' strings")
            return ffi.string(found).decode(errors="surrogateescape")
