# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The machine code of loaded BPF programs: its functions, by address, and their source lines."""

from __future__ import annotations

import errno
import os
import struct
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._native import Handle, check, create, ffi, lib, text
from ..errors import BpfError, NotFoundError, PermissionDeniedError
from .symbol import SourceLine, Symbol

if TYPE_CHECKING:
    from .._libbpf import CData
    from ..btf import Btf

# The arrays that struct bpf_prog_info can bring along, with the number of their records and, where
# it is not plain, the size of a record: both are said by the kernel first.
_ARRAYS = (
    ("jited_ksyms", "nr_jited_ksyms", 8),
    ("jited_func_lens", "nr_jited_func_lens", 4),
    ("func_info", "nr_func_info", "func_info_rec_size"),
    ("line_info", "nr_line_info", "line_info_rec_size"),
    ("jited_line_info", "nr_jited_line_info", "jited_line_info_rec_size"),
)

# What bpf_prog_linfo__new reads besides.
_COUNTS = (
    *("nr_jited_ksyms", "nr_jited_func_lens", "nr_line_info", "line_info_rec_size"),
    *("nr_jited_line_info", "jited_line_info_rec_size"),
)


@dataclass(frozen=True, slots=True)
class Code:
    """The machine code of one program, in memory of ours: the program may be unloaded meanwhile.

    Attributes:
        id: the program's id.
        arrays: what struct bpf_prog_info brought along, by the field's name.
        counts: its other fields that bpf_prog_linfo__new reads.
        strings: the strings of the program's BTF, one after the other.
    """

    id: int
    arrays: dict[str, bytes]
    counts: dict[str, int]
    strings: bytes

    def line(self, address: int, function: int) -> SourceLine | None:
        """The source line of an address in one of its functions. libbpf: bpf_prog_linfo__lfind_addr_func."""
        if not self.counts["nr_line_info"] or not self.strings:
            return None
        info = ffi.new("struct bpf_prog_info *", self.counts)
        kept = {field: ffi.from_buffer(data) for field, data in self.arrays.items()}
        for field, pointer in kept.items():
            setattr(info, field, int(ffi.cast("uintptr_t", pointer)))
        try:
            lines = create(
                lib.call_bpf_prog_linfo__new,
                info,
                free=lib.bpf_prog_linfo__free,
                operation="read the line information of",
                subject=f"program {self.id}",
            )
        except BpfError as error:
            # A function that the verifier added has no lines, and libbpf then takes none of the program's.
            if error.errno != errno.EINVAL:
                raise
            return None
        with lines as info_of_lines:
            found = lib.bpf_prog_linfo__lfind_addr_func(info_of_lines, address, function, 0)
            line = self._line(found) if found else None
        lines.close()
        return line

    def _line(self, record: CData) -> SourceLine:
        # BPF_LINE_INFO_LINE_NUM and BPF_LINE_INFO_LINE_COL of include/uapi/linux/bpf.h.
        line, column = record.line_col >> 10, record.line_col & 0x3FF
        return SourceLine(
            self._string(record.file_name_off), line, column, self._string(record.line_off).strip()
        )

    def _string(self, offset: int) -> str:
        return self.strings[offset : self.strings.find(b"\0", offset)].decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a program: where it lies, its name, and which it is of the program's."""

    start: int
    end: int
    name: str
    code: Code
    index: int

    def symbol(self, address: int) -> Symbol:
        return Symbol(self.name, "bpf", self.start, self.end - self.start, address - self.start, self.code.id)


class ProgramCode:
    """The functions of all programs that are loaded.

    Attributes:
        readable: whether the kernel lets this process look at the programs.
    """

    def __init__(self) -> None:
        self.readable = True
        self._newest = 0
        # Their beginnings, and the functions: one attribute, so that no thread sees one without the other.
        self._table: tuple[Sequence[int], list[Function]] = array("Q"), []
        self.catch_up()

    def catch_up(self) -> bool:
        """Takes in the programs that were loaded since; returns whether there were any.

        It costs one system call if there were none: ids grow with each program, up to 2^31.
        """
        newest, next_id = self._newest, ffi.new("uint32_t *")
        if not self.readable or lib.bpf_prog_get_next_id(newest, next_id) == -errno.ENOENT:
            return False
        found: list[Function] = []
        with _Types() as types:
            newest = self._find(newest, types, found)
        if newest == self._newest:
            return False
        self._newest = newest
        self._add(found)
        return True

    def _find(self, newest: int, types: _Types, found: list[Function]) -> int:
        """Lists the functions of the programs behind an id; returns the last id there is."""
        next_id = ffi.new("uint32_t *")
        while self.readable:
            result = lib.bpf_prog_get_next_id(newest, next_id)
            if result == -errno.ENOENT:
                break
            try:
                check(result, "list programs")
                newest = next_id[0]
                found += _functions(newest, types)
            except PermissionDeniedError:
                self.readable = False
        return newest

    def _add(self, functions: list[Function]) -> None:
        """Adds functions. What was known to be where they are now is gone."""
        new = sorted(functions, key=lambda function: function.start)
        starts = [function.start for function in new]

        def replaced(old: Function) -> bool:
            index = bisect_right(starts, old.end - 1) - 1
            return index >= 0 and new[index].end > old.start

        kept = [old for old in self._table[1] if not replaced(old)]
        merged = sorted(new + kept, key=lambda function: function.start)
        self._table = array("Q", [function.start for function in merged]), merged

    def may_have(self, address: int) -> bool:
        """Whether an address lies among the functions: no address in the kernel itself does."""
        starts, functions = self._table
        return bool(starts) and starts[0] <= address < functions[-1].end

    def find(self, address: int) -> Function | None:
        """The function that an address lies in, or None."""
        starts, functions = self._table
        index = bisect_right(starts, address) - 1
        return functions[index] if index >= 0 and address < functions[index].end else None

    def addresses_of(self, name: str) -> list[int]:
        """The addresses of all functions of a name, of programs that are still loaded."""
        return [
            function.start
            for function in self._table[1]
            if function.name == name and _is_loaded(function.code.id)
        ]

    def names(self) -> list[str]:
        """The names of all functions."""
        return [function.name for function in self._table[1]]


def _is_loaded(id: int) -> bool:
    """Whether there is a program of that id: whether it is the next after the one before."""
    next_id = ffi.new("uint32_t *")
    return lib.bpf_prog_get_next_id(id - 1, next_id) == 0 and next_id[0] == id


def _functions(id: int, types: _Types) -> list[Function]:
    """The functions of a program; none if it was unloaded meanwhile, or is interpreted."""
    fd = lib.bpf_prog_get_fd_by_id(id)
    try:
        check(fd, "open program", f"id {id}")
    except NotFoundError:
        return []
    handle = Handle(fd, os.close, what=f"program {id}")
    try:
        info, arrays = _info(fd)
        starts = struct.unpack(f"={info.nr_jited_ksyms}Q", arrays["jited_ksyms"])
        lengths = struct.unpack(f"={info.nr_jited_func_lens}I", arrays["jited_func_lens"])
        strings, names = types.read(info.btf_id, _type_ids(info, arrays["func_info"]))
    finally:
        handle.close()
    code = Code(id, arrays, {field: getattr(info, field) for field in _COUNTS}, strings)
    # The kernel calls a function without type information F (bpf_prog_ksym_set_name).
    names += ["F"] * (len(starts) - len(names))
    if not info.nr_func_info:
        names[:1] = [text(info.name) or f"program_{id}"]
    return [
        Function(start, start + length, name, code, index)
        for index, (start, length, name) in enumerate(zip(starts, lengths, names, strict=False))
        # The interpreter has an address too, and no length.
        if start and length
    ]


def _info(fd: int) -> tuple[CData, dict[str, bytes]]:
    """The info of a program, with the arrays that describe its code. libbpf: bpf_obj_get_info_by_fd."""
    info = ffi.new("struct bpf_prog_info *")
    size = ffi.new("uint32_t *", ffi.sizeof(info[0]))
    check(lib.bpf_obj_get_info_by_fd(fd, info, size), "get the info of a program")
    wanted = ffi.new("struct bpf_prog_info *")
    arrays: dict[str, CData] = {}
    for field, count, record_size in _ARRAYS:
        if isinstance(record_size, str):
            setattr(wanted, record_size, getattr(info, record_size))
            record_size = getattr(info, record_size)
        arrays[field] = ffi.new("char[]", getattr(info, count) * record_size)
        setattr(wanted, count, getattr(info, count))
        if len(arrays[field]):
            setattr(wanted, field, int(ffi.cast("uintptr_t", arrays[field])))
    size[0] = ffi.sizeof(wanted[0])
    check(lib.bpf_obj_get_info_by_fd(fd, wanted, size), "get the info of a program")
    return wanted, {field: bytes(ffi.buffer(data)) for field, data in arrays.items()}


def _type_ids(info: CData, functions: bytes) -> list[int]:
    """The type id of each function: the second word of struct bpf_func_info."""
    size = info.func_info_rec_size
    return [struct.unpack_from("=4xI", functions, index * size)[0] for index in range(info.nr_func_info)]


class _Types:
    """The BTF of programs, open while they are listed: all programs of an object share one."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open: dict[int, tuple[Btf, bytes]] = {}

    def __enter__(self) -> _Types:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def read(self, btf_id: int, functions: list[int]) -> tuple[bytes, list[str]]:
        """The strings of a program's BTF, and the names of its functions by their type ids."""
        if not btf_id:
            return b"", []
        if btf_id not in self._open:
            from ..btf import Btf

            types = self._stack.enter_context(Btf.from_id(btf_id))
            data = types.to_bytes()
            # struct btf_header: include/uapi/linux/btf.h.
            header, _, _, start, size = struct.unpack_from("=4xIIIII", data)
            self._open[btf_id] = types, data[header + start : header + start + size]
        types, strings = self._open[btf_id]
        return strings, [types[id].name for id in functions]
