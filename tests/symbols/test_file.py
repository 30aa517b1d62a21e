# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Offsets in files to names, and back."""

from __future__ import annotations

import lzma
import os
import random
import subprocess
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.symbols import FileSymbols
from pylibbpf.symbols import file as file_module
from tests.symbols.programs import LIBRARY, compile_c

pytestmark = pytest.mark.needs("pyelftools")

FUNCTIONS = ("exported_work", "hidden_work", "main")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("files") / "program", "-fPIE", "-pie")


@pytest.fixture(scope="module")
def stripped(program: Path) -> Path:
    """The same, without any names: it exports nothing."""
    path = program.with_name("stripped")
    subprocess.run(["strip", "-o", str(path), str(program)], check=True)
    return path


def test_each_function_is_found_by_its_offset(program: Path) -> None:
    symbols = FileSymbols(program)
    for name in FUNCTIONS:
        offset = symbols.offset_of(name)
        symbol = symbols.find(offset + 2)
        assert symbol is not None
        assert (symbol.name, symbol.module, symbol.address, symbol.offset) == (name, str(program), offset, 2)
        last, after = symbols.find(offset + symbol.size - 1), symbols.find(offset + symbol.size)
        assert last is not None
        assert last.name == name
        assert after is None or after.name != name
    assert set(FUNCTIONS) <= set(symbols.names())
    assert len(symbols) == len(symbols.names())
    assert str(program) in repr(symbols)


def test_the_offsets_are_those_that_nm_and_readelf_tell(program: Path) -> None:
    """Where the linker puts code at another offset than address, as it does for a fixed address."""
    fixed = compile_c(program.with_name("fixed"), "-fno-pie", "-no-pie")
    symbols = FileSymbols(fixed)
    listed = subprocess.run(["nm", str(fixed)], capture_output=True, text=True, check=True).stdout
    address = next(int(line.split()[0], 16) for line in listed.splitlines() if line.endswith(" hidden_work"))
    image = fixed.read_bytes()
    offset = symbols.offset_of("hidden_work")
    assert offset != address
    assert 0 < offset < len(image)
    pie = FileSymbols(program)
    symbol = symbols.find(offset)
    assert symbol is not None
    # The same function, so the same bytes.
    there = pie.offset_of("hidden_work")
    assert image[offset : offset + symbol.size] == program.read_bytes()[there : there + symbol.size]


def test_the_build_id_is_the_linkers(program: Path) -> None:
    shown = subprocess.run(["readelf", "-n", str(program)], capture_output=True, text=True, check=True).stdout
    build_id = FileSymbols(program).build_id
    assert build_id is not None
    assert f"Build ID: {build_id.hex()}" in shown
    without = compile_c(program.with_name("without"), "-Wl,--build-id=none")
    assert FileSymbols(without).build_id is None


def test_a_name_that_is_not_there_is_an_error_with_those_like_it(program: Path) -> None:
    with pytest.raises(
        bpf.NameNotFoundError, match=r"no function of '.*program' .*'hiddne_work'|hidden_work"
    ):
        FileSymbols(program).offset_of("hidden_wokr")


def test_a_name_of_several_functions_is_an_error(program: Path) -> None:
    parts = [program.with_name(f"part{number}.c") for number in (1, 2)]
    for number, part in enumerate(parts, start=1):
        part.write_text(
            f"static int same(int a) {{ return a * {number}; }}\nint (*get{number})(int) = same;\n"
        )
    library = program.with_name("parts.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), *map(str, parts)], check=True)
    with pytest.raises(ValueError, match=r"2 functions of '.*parts.so' are called 'same'"):
        FileSymbols(library).offset_of("same")


def test_an_offset_in_no_function_has_no_name(program: Path) -> None:
    symbols = FileSymbols(program)
    size = program.stat().st_size
    for offset in (-1, 0, 4, size, size + 1, 2**64):
        assert symbols.find(offset) is None


def test_of_several_names_the_one_for_callers_is_taken(program: Path) -> None:
    source = """
int __work(int a) { return a + 7; }
int _work(int a) __attribute__((alias("__work")));
int work(int a) __attribute__((alias("__work"), weak));
static int alias(int a) __attribute__((alias("__work"), used));
"""
    symbols = FileSymbols(compile_c(program.with_name("names.so"), "-shared", "-fPIC", source=source))
    offset = symbols.offset_of("__work")
    assert {symbols.offset_of(name) for name in ("_work", "work", "alias")} == {offset}
    symbol = symbols.find(offset)
    assert symbol is not None
    assert symbol.name == "work"


def test_assembly_without_sizes_ends_where_the_next_begins(program: Path) -> None:
    source = r"""
__asm__(".text\n.p2align 4\n.type one, @function\n.globl one\none: nop\nnop\nnop\n"
        ".type two, @function\n.globl two\ntwo: nop\nret\n");
"""
    symbols = FileSymbols(compile_c(program.with_name("assembly.so"), "-shared", "-fPIC", source=source))
    one, two = symbols.offset_of("one"), symbols.offset_of("two")
    found = [symbols.find(one), symbols.find(one + 2), symbols.find(two)]
    assert [(symbol.name, symbol.offset) for symbol in found if symbol] == [
        ("one", 0),
        ("one", 2),
        ("two", 0),
    ]


# --- stripped files ------------------------------------------------------------------------


def test_a_stripped_file_has_no_names(stripped: Path, program: Path) -> None:
    symbols = FileSymbols(stripped)
    assert symbols.find(FileSymbols(program).offset_of("main")) is None
    assert symbols.build_id == FileSymbols(program).build_id
    with pytest.raises(bpf.NameNotFoundError):
        symbols.offset_of("main")
    assert bool(symbols)


def test_the_debug_file_of_the_build_id_has_the_names(
    stripped: Path, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = FileSymbols(program)
    assert whole.build_id is not None
    name = whole.build_id.hex()
    path = tmp_path / name[:2] / f"{name[2:]}.debug"
    path.parent.mkdir()
    subprocess.run(["objcopy", "--only-keep-debug", str(program), str(path)], check=True)
    monkeypatch.setattr(file_module, "_DEBUG_FILES", str(tmp_path))
    symbols = FileSymbols(stripped)
    for function in FUNCTIONS:
        assert symbols.offset_of(function) == whole.offset_of(function)
    # One of another build is not taken, and neither is a broken one.
    other = compile_c(tmp_path / "other.so", "-shared", "-fPIC", source=LIBRARY)
    for content in (other.read_bytes(), b"nothing of the kind"):
        path.write_bytes(content)
        assert "main" not in FileSymbols(stripped).names()


def test_the_compressed_table_of_a_stripped_file_has_the_names(
    stripped: Path, program: Path, tmp_path: Path
) -> None:
    packed, path = tmp_path / "packed.xz", tmp_path / "with-table"
    debug = tmp_path / "debug"
    subprocess.run(["objcopy", "--only-keep-debug", str(program), str(debug)], check=True)
    packed.write_bytes(lzma.compress(debug.read_bytes()))
    subprocess.run(
        ["objcopy", "--add-section", f".gnu_debugdata={packed}", str(stripped), str(path)], check=True
    )
    symbols = FileSymbols(path)
    for function in FUNCTIONS:
        assert symbols.offset_of(function) == FileSymbols(program).offset_of(function)


# --- what is no ELF file -------------------------------------------------------------------


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(bpf.NotFoundError, match="cannot read the symbols of"):
        FileSymbols(tmp_path / "missing")
    with pytest.raises(bpf.BpfError, match="Is a directory"):
        FileSymbols(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n", bytes(4096)])
def test_a_file_that_is_no_elf_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(bpf.FormatError, match="It is no ELF file, or broken"):
        FileSymbols(os.fsencode(path))


def test_a_broken_file_is_an_error_or_has_other_names_and_nothing_worse(
    program: Path, tmp_path: Path
) -> None:
    image = program.read_bytes()
    path = tmp_path / "broken"
    numbers = random.Random(5)
    # The ELF header, the segments, and the sections, which stand at the end.
    interesting = [*range(16, 1024), *range(len(image) - 64 * 40, len(image))]
    for _ in range(300):
        broken = bytearray(image)
        for _ in range(numbers.randrange(1, 4)):
            broken[numbers.choice(interesting)] = numbers.choice((0, 1, 0x7F, 0x80, 0xFF))
        path.write_bytes(broken[: numbers.choice((len(image), numbers.randrange(len(image))))])
        try:
            symbols = FileSymbols(path)
        except bpf.FormatError:
            continue
        symbols.names()
        symbols.find(numbers.randrange(len(image)))
