# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What an address turns out to be: a symbol, a source line, a frame of a stack."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Symbol(NamedTuple):
    """The function or object that an address lies in. Its `str` is what the kernel prints: "name+0x1b/0x40".

    It is a named tuple, which costs a third of a dataclass to make: stacks have many.

    Attributes:
        name: its name, as the symbol table has it: C++ and Rust names are mangled.
        module: where it is from: "" for the kernel itself, the name of a kernel module, "bpf" for
            code of BPF programs, the path of a program or library in a process.
        address: where it begins; in a `FileSymbols`, the offset in the file.
        size: its bytes; where the table does not tell, the bytes up to the next symbol.
        offset: the bytes from its beginning to the address that was looked up.
        program_id: for code of a BPF program, the program's id, where it could be read.
    """

    name: str
    module: str
    address: int
    size: int
    offset: int
    program_id: int | None = None

    def __str__(self) -> str:
        where = f" [{self.module.strip('[]')}]" if self.module else ""
        return f"{self.name}+{self.offset:#x}/{self.size:#x}{where}"

    def moved(self, by: int) -> Symbol:
        """The same symbol, for an address some bytes further on."""
        return self._replace(offset=self.offset + by) if by else self


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of source code. Its `str` is "file.c:12".

    Attributes:
        file: the path of the file, as the compiler was given it.
        line: its number, from 1 on.
        column: the column, from 1 on; 0 where the compiler did not tell.
        text: the line itself, without the spaces around it.
    """

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a stack. Its `str` is a line for people: "work+0x1b [bpf] at tool.bpf.c:12"; where there
    is no symbol, "0x7f3a51c2b000 [libc.so.6+0x45a00]".

    Attributes:
        address: where it executes, or will when the frame above returns; 0 where only a build id is known.
        symbol: the function there; None if no symbol has that address.
        source: the line, for code of BPF programs that have line information.
        file: for a process, the path of the file that is mapped there, or "".
        file_offset: for a process, the offset of the instruction in that file, in bytes.
        build_id: for a process, the build id of that file, where it has one.
    """

    address: int
    symbol: Symbol | None = None
    source: SourceLine | None = None
    file: str = ""
    file_offset: int | None = None
    build_id: bytes | None = None

    def __str__(self) -> str:
        if self.symbol is None:
            shown = f"{self.address:#x}"
            place = _short(self.file) or (self.build_id.hex() if self.build_id else "")
            if place and self.file_offset is not None:
                place += f"+{self.file_offset:#x}"
            if not self.address:
                return place or shown
        else:
            shown = f"{self.symbol.name}+{self.symbol.offset:#x}"
            place = _short(self.symbol.module)
        return shown + (f" [{place}]" if place else "") + (f" at {self.source}" if self.source else "")


def _short(module: str) -> str:
    """A path's file name; "vdso" for "[vdso]"."""
    return module.rpartition("/")[2].strip("[]")


def worth_comparing(name: str, names: Iterable[str]) -> set[str]:
    """Those names that may be what was meant by one that is not there: a kernel has some 200,000."""
    slack = max(2, len(name) // 3)
    return {other for other in names if other[:4] == name[:4] and abs(len(other) - len(name)) <= slack}
