# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""FileSymbols: the functions of a program or library, by their offset in the file."""

from __future__ import annotations

import lzma
import os
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from ..errors import BpfError, FormatError, NameNotFoundError, from_errno
from .symbol import Symbol, worth_comparing

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

    from .._native import StrPath

# Where distributions put the symbols that they strip: by build id.
_DEBUG_FILES = "/usr/lib/debug/.build-id"

# elf(5): STT_FUNC and STT_GNU_IFUNC, STB_LOCAL, STB_WEAK, PF_X.
_FUNCTIONS = frozenset((2, 10))
_LOCAL, _WEAK = 0, 2
_PF_X = 1

_PAGE = 4096

# How many functions before an address may lie in the one that has it.
_NESTED = 16

# libbpf's code for what is no ELF file (enum libbpf_errno).
_NOT_ELF = 4001

# No list of symbols is larger, unpacked.
_UNPACKED = 1 << 28


class FileSymbols:
    """The functions of an ELF file, by their offset in it: what uprobes and stacks with build ids have::

        bpf.symbols.FileSymbols("/usr/bin/bash").find(0x30e80)

    They come from the file's symbol tables. For a stripped file they come from the debug file
    that the system has for its build id (/usr/lib/debug/.build-id), else from the compressed
    table that some distributions leave in it (.gnu_debugdata), and from the names that it exports.

    It needs pyelftools: `pip install 'pylibbpf[symbols]'`. Nothing is open once it is made.

    Args:
        path: the file.

    Attributes:
        path: the file, as it was given.
        build_id: its build id, or None if the linker gave it none.

    Raises:
        ImportError: pyelftools is not installed.
        NotFoundError: there is no such file.
        FormatError: it is no ELF file, or a broken one.
    """

    def __init__(self, path: StrPath) -> None:
        name = os.fsdecode(path)
        try:
            with open(path, "rb") as file:
                self._set_up(name, file)
        except BpfError:
            raise
        except OSError as error:
            raise from_errno(error.errno or 0, "read the symbols of", f"'{name}'") from error

    @classmethod
    def _of_file(cls, path: str, file: BinaryIO) -> FileSymbols:
        """Those of a file that is open."""
        self = object.__new__(cls)
        self._set_up(path, file)
        return self

    def _set_up(self, path: str, file: BinaryIO) -> None:
        self.path = path
        elf = _open(file, path)
        try:
            self.build_id = _build_id(elf)
            self._segments = _segments(elf)
            tables = _tables(elf, self.build_id)
        # A broken file makes pyelftools raise whatever its parser runs into.
        except Exception as error:
            raise _no_elf(path, str(error)) from error
        self._functions = _Functions(tables)

    def __repr__(self) -> str:
        return f"<FileSymbols of '{self.path}': {len(self._functions)} functions>"

    def __len__(self) -> int:
        """How many functions it has names for."""
        return len(self._functions)

    def __bool__(self) -> bool:
        return True

    def find(self, offset: int) -> Symbol | None:
        """The function at an offset in the file, in bytes; None if none is known there.

        Of several with the same address it is a global one, with the fewest underscores before its name.
        """
        address = self._address(offset)
        found = None if address is None else self._functions.find(address)
        if address is None or found is None:
            return None
        name, start, end = found
        return Symbol(name, self.path, offset - (address - start), end - start, address - start)

    def names(self) -> list[str]:
        """The names of all functions."""
        return self._functions.names()

    def offset_of(self, name: str) -> int:
        """Where a function begins, as an offset in the file, in bytes: what `attach_uprobe` takes.

        Raises:
            NameNotFoundError: there is no such function, or it is stripped.
            ValueError: there are several.
        """
        found = {
            offset
            for start in self._functions.addresses_of(name)
            if (offset := self._offset(start)) is not None
        }
        if not found:
            raise NameNotFoundError(f"function of '{self.path}'", name, worth_comparing(name, self.names()))
        if len(found) > 1:
            shown = ", ".join(f"{offset:#x}" for offset in sorted(found)[:8])
            raise ValueError(f"{len(found)} functions of '{self.path}' are called '{name}': at {shown}")
        return found.pop()

    def _address(self, offset: int) -> int | None:
        """The address that the file has for what lies at an offset in it."""
        for file_offset, size, start in self._segments:
            if file_offset <= offset < file_offset + size:
                return offset - file_offset + start
        return None

    def _offset(self, address: int) -> int | None:
        """The offset in the file of what lies at an address."""
        for file_offset, size, start in self._segments:
            if start <= address < start + size:
                return address - start + file_offset
        return None


@dataclass(frozen=True)
class _Table:
    """A symbol table: what struct.iter_unpack makes of its records, and the strings with its names."""

    records: Iterable[tuple[int, ...]]
    wide: bool
    strings: bytes

    def functions(self) -> Iterator[tuple[int, int, int, int]]:
        """Of each function: address, how little its name is preferred to others there, size, name."""
        strings = self.strings
        for record in self.records:
            if self.wide:
                name, info, _, section, address, size = record
            else:
                name, address, size, info, _, section = record
            if info & 0xF in _FUNCTIONS and section and address:
                underscores = 2 if strings.startswith(b"__", name) else int(strings.startswith(b"_", name))
                binding = info >> 4
                yield address, (binding == _LOCAL) * 8 + underscores * 2 + (binding == _WEAK), size, name


class _Functions:
    """Functions by their address, as the file has it; of one address the best name first."""

    def __init__(self, tables: list[_Table]) -> None:
        self._strings = b"".join(table.strings for table in tables)
        found: list[tuple[int, int, int, int]] = []
        before = 0
        for table in tables:
            found += [(*function[:3], before + function[3]) for function in table.functions()]
            before += len(table.strings)
        found.sort()
        self._starts = array("Q", [function[0] for function in found])
        self._names = array("Q", [function[3] for function in found])
        self._ends = array("Q", self._starts)
        following = start = 0
        for index in range(len(found) - 1, -1, -1):
            address, _, size, _ = found[index]
            if address != start:
                following, start = start, address
            # Assembly may not say a function's size. It ends with the next, or else with its page.
            self._ends[index] = address + size if size else following or address - address % _PAGE + _PAGE

    def __len__(self) -> int:
        return len(self._starts)

    def find(self, address: int) -> tuple[str, int, int] | None:
        """The name, start and end of the function that an address lies in, or None."""
        starts, ends = self._starts, self._ends
        last = bisect_right(starts, address) - 1
        best = None
        # Functions may lie in one another: a few are looked at, for the innermost.
        for index in range(last, max(last - _NESTED, -1), -1):
            if best is not None and starts[index] != starts[best]:
                break
            if address < ends[index]:
                best = index
        return None if best is None else (self._name(best), starts[best], ends[best])

    def _name(self, index: int) -> str:
        start = self._names[index]
        name = self._strings[start : self._strings.find(b"\0", start)].decode(errors="replace")
        # "memcpy@@GLIBC_2.14": linkers before binutils 2.35 wrote the version into .symtab.
        return name.partition("@")[0] or name

    def addresses_of(self, name: str) -> list[int]:
        """The addresses of all functions of a name."""
        return [self._starts[index] for index in range(len(self)) if self._name(index) == name]

    def names(self) -> list[str]:
        """All names."""
        return [self._name(index) for index in range(len(self))]


def require_pyelftools() -> None:
    """Raises ImportError, with what to do, if pyelftools is not installed."""
    try:
        import elftools  # noqa: F401
    except ImportError as error:
        words = "symbols of files need pyelftools: pip install 'pylibbpf[symbols]'"
        raise ImportError(words, name="elftools") from error


def _open(file: BinaryIO, path: str) -> ELFFile:
    require_pyelftools()
    from elftools.elf.elffile import ELFFile

    try:
        return ELFFile(file)
    # pyelftools raises whatever its parser runs into.
    except Exception as error:
        raise _no_elf(path, str(error)) from error


def _no_elf(path: str, words: str) -> FormatError:
    return FormatError(
        _NOT_ELF, "read the symbols of", f"'{path}'", hint=f"It is no ELF file, or broken: {words}."
    )


def _build_id(elf: ELFFile) -> bytes | None:
    from elftools.elf.segments import NoteSegment

    for segment in elf.iter_segments("PT_NOTE"):
        for note in segment.iter_notes() if isinstance(segment, NoteSegment) else ():
            if note["n_type"] == "NT_GNU_BUILD_ID":
                return bytes.fromhex(note["n_desc"])
    return None


def _segments(elf: ELFFile) -> list[tuple[int, int, int]]:
    """Offset in the file, size there and address of what is loaded, code first: segments share pages."""
    found = [segment.header for segment in elf.iter_segments("PT_LOAD")]
    found.sort(key=lambda header: not header["p_flags"] & _PF_X)
    return [(header["p_offset"], header["p_filesz"], header["p_vaddr"]) for header in found]


def _tables(elf: ELFFile, build_id: bytes | None) -> list[_Table]:
    """The symbol tables to take names from."""
    if full := _table(elf, ".symtab"):
        return [full]
    tables = [_debug_table(build_id) or _embedded_table(elf), _table(elf, ".dynsym")]
    return [table for table in tables if table]


def _table(elf: ELFFile, name: str) -> _Table | None:
    section = elf.get_section_by_name(name)
    if section is None or section["sh_type"] == "SHT_NOBITS":
        return None
    wide = elf.elfclass == 64
    record = struct.Struct(("<" if elf.little_endian else ">") + ("IBBHQQ" if wide else "IIIBBH"))
    data = section.data()
    whole = data[: len(data) - len(data) % record.size]
    return _Table(record.iter_unpack(whole), wide, elf.get_section(section["sh_link"]).data() + b"\0")


def _debug_table(build_id: bytes | None) -> _Table | None:
    """The symbols that were stripped from a file, out of the file that the system has them in."""
    if not build_id:
        return None
    name = build_id.hex()
    path = f"{_DEBUG_FILES}/{name[:2]}/{name[2:]}.debug"
    try:
        with open(path, "rb") as file:
            elf = _open(file, path)
            return _table(elf, ".symtab") if _build_id(elf) == build_id else None
    except OSError:
        return None


def _embedded_table(elf: ELFFile) -> _Table | None:
    """The symbols of .gnu_debugdata: an ELF file in itself, compressed by xz ("MiniDebugInfo")."""
    section = elf.get_section_by_name(".gnu_debugdata")
    if section is None:
        return None
    unpacked = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(section.data(), _UNPACKED)
    return _table(_open(BytesIO(unpacked), ".gnu_debugdata"), ".symtab")
