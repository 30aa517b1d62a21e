# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BTF as C source."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pylibbpf import errors
from pylibbpf.btf import Btf, Kind
from tests.btf.raw import SIGNED, RawBtf, everything

LIBBPF_HEADERS = Path(__file__).parents[2] / "libbpf" / "src"


@pytest.fixture
def btf() -> Iterator[Btf]:
    with Btf.from_bytes(bytes(everything())) as btf:
        yield btf


def compile_for_bpf(directory: Path, source: str) -> Path:
    """Compiles with clang for BPF, with bpf/bpf_helpers.h within reach."""
    headers = directory / "bpf"
    headers.mkdir(exist_ok=True)
    for header in LIBBPF_HEADERS.glob("bpf_*.h"):
        shutil.copy(header, headers)
    (directory / "program.bpf.c").write_text(source)
    command = ["clang", "-target", "bpf", "-O2", "-g", "-Wall", "-Werror", "-I.", "-c", "program.bpf.c"]
    subprocess.run([*command, "-o", "program.bpf.o"], check=True, cwd=directory)
    return directory / "program.bpf.o"


def test_one_type_comes_with_what_it_needs(btf: Btf) -> None:
    dumped = btf.c_dump("struct event")
    for declaration in (
        "typedef int pid_t;",
        "struct point {\n\tint x;\n\tint y;\n};",
        "enum color {\n\tRED = 0,",
        "struct event {\n\tpid_t pid;\n\tunsigned char flags;\n\tchar comm[16];\n\tunion {",
        "unsigned int numbers[3];",
    ):
        assert declaration in dumped
    assert "struct bits" not in dumped
    assert dumped.index("struct point {") < dumped.index("struct event {")
    assert btf.c_dump(btf.find("event")) == btf.c_dump(btf.find("event").id) == dumped


def test_everything_is_a_header_for_bpf_programs(btf: Btf) -> None:
    dumped = btf.c_dump()
    assert dumped.startswith("#ifndef __VMLINUX_H__\n")
    assert dumped.endswith("#endif /* __VMLINUX_H__ */\n")
    assert "preserve_access_index" in dumped
    assert "struct bits {\n\tunsigned int a: 3;\n\tint b: 5;" in dumped
    assert "struct event {" in dumped


def test_void_has_no_declaration(btf: Btf) -> None:
    assert btf.c_dump("void") == btf.c_dump(0) == ""


def test_a_type_that_does_not_exist_is_not_found(btf: Btf) -> None:
    with pytest.raises(errors.NameNotFoundError):
        btf.c_dump("struct evnt")
    with pytest.raises(IndexError):
        btf.c_dump(1000)


def test_names_that_are_no_text_are_dumped() -> None:
    raw = RawBtf()
    raw.refer(Kind.TYPEDEF, raw.integer("int", 4, SIGNED), "b\udcff")
    with Btf.from_bytes(bytes(raw)) as btf:
        assert btf.c_dump("b\udcff") == "typedef int b\udcff;\n\n"


@pytest.mark.host("compiles with clang")
def test_the_dump_compiles_to_the_same_types(btf: Btf, tmp_path: Path) -> None:
    header = btf.c_dump("struct event")
    compiled = compile_for_bpf(tmp_path, f"{header}\nstruct event event;\n")
    with Btf.from_elf(compiled) as again:
        event, expected = again.find("struct event"), btf.find("struct event")
        assert event.size == expected.size
        assert [(m.name, m.offset) for m in event.members] == [  # type: ignore[attr-defined]
            (m.name, m.offset)
            for m in expected.members  # type: ignore[attr-defined]
        ]


@pytest.mark.host("compiles with clang")
@pytest.mark.needs("vmlinux_btf")
def test_the_kernels_header_compiles_with_libbpfs(tmp_path: Path) -> None:
    with Btf.vmlinux() as btf:
        (tmp_path / "vmlinux.h").write_text(btf.c_dump())
    compiled = compile_for_bpf(
        tmp_path,
        """\
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec, struct task_struct *task)
{
	return BPF_CORE_READ(task, real_parent, tgid);
}
""",
    )
    with Btf.from_elf(compiled) as btf:
        assert "task_struct" in btf


@pytest.mark.host("compiles with clang")
@pytest.mark.needs("vmlinux_btf")
def test_types_of_the_kernel_compile_one_by_one(tmp_path: Path) -> None:
    with Btf.vmlinux() as btf:
        for name in ("struct list_head", "struct iphdr", "struct bpf_map_ops", "struct sk_buff"):
            compile_for_bpf(tmp_path, f"{btf.c_dump(name)}\n{name} *pointer;\n")


def test_values_are_formatted_as_libbpf_does(btf: Btf) -> None:
    point = struct.pack("=ii", -1, 2)
    assert btf.format("struct point", point) == "(struct point){.x = (int)-1,.y = (int)2,}"
    assert btf.format("point", point, names=False) == "{-1,2,}"
    assert btf.format("point", bytes(8)) == "(struct point){.x = (int)0,.y = (int)0,}"
    assert btf.format("point", point, compact=False).count("\n") == 3
    assert btf.format("color", struct.pack("=I", 7)) == "(enum color)BLUE"
    for size in (0, 7, 9):
        with pytest.raises(ValueError, match=f"struct point takes 8 bytes, not {size}"):
            btf.format("point", bytes(size))
    with pytest.raises(errors.FormatError):
        btf.format("handle", b"")


def test_nothing_is_left_out_of_a_value() -> None:
    """libbpf would, if it were to leave out zeroes: the whole of `inner`, and `color`."""
    raw = RawBtf()
    number, color = raw.integer("int", 4, SIGNED), raw.enum("color", 4, {"BLUE": 7})
    inner = raw.struct("inner", 8, ("a", number, 0), ("b", number, 32))
    outer = raw.struct("outer", 12, ("inner", inner, 0), ("color", color, 72, 4))
    with Btf.from_bytes(bytes(raw)) as btf:
        assert btf.format(outer, struct.pack("=iiI", 0, 5, 7 << 8), names=False) == "{{0,5,},BLUE,}"


class Odd:
    """A packed struct whose enum is not aligned, and types that it is part of."""

    def __init__(self) -> None:
        raw = self.raw = RawBtf()
        char, color = raw.integer("char", 1, SIGNED), raw.enum("color", 4, {"BLUE": 7})
        self.char, self.color = char, color
        self.packed = raw.struct("packed", 6, ("a", char, 0), ("color", color, 8), ("b", char, 40))
        self.array = raw.array(self.packed, 3)
        self.outer = raw.struct("outer", 8, ("a", char, 0), ("inner", self.packed, 16))
        self.alias = raw.refer(Kind.TYPEDEF, self.packed, "alias")
        self.section = raw.datasec(".data", 6, (raw.var("one", self.packed), 0, 6))


@pytest.mark.parametrize("name", ["packed", "array", "outer", "alias", "section"])
def test_an_enum_that_libbpf_would_write_as_zero_is_refused(name: str) -> None:
    odd = Odd()
    of = getattr(odd, name)
    with Btf.from_bytes(bytes(odd.raw)) as btf:
        for _ in range(2):
            with pytest.raises(errors.NotSupportedError, match="enum that is not aligned"):
                btf.format(of, bytes(btf.size_of(of)))
        assert btf.codec(odd.packed).decode(struct.pack("=BIB", 1, 7, 2)).color == 7


def test_an_aligned_enum_of_a_packed_struct_is_formatted() -> None:
    raw = RawBtf()
    char, color = raw.integer("char", 1, SIGNED), raw.enum("color", 4, {"BLUE": 7})
    packed = raw.struct("packed", 5, ("color", color, 0), ("a", char, 32))
    outer = raw.struct("outer", 9, ("a", char, 0), ("inner", packed, 32))
    pair = raw.array(packed, 2)
    with Btf.from_bytes(bytes(raw)) as btf:
        for _ in range(2):
            shown = btf.format(packed, struct.pack("=Ib", 7, 1), names=False)
            assert shown == "{BLUE,1,}"
        assert btf.format(outer, struct.pack("=b3xIb", 1, 7, 2), names=False) == "{1,{BLUE,2,},}"
        with pytest.raises(errors.NotSupportedError, match="enum that is not aligned"):
            btf.format(pair, bytes(10))


@pytest.mark.parametrize("size", [0, 3])
def test_an_enum_of_no_integers_size_is_refused(size: int) -> None:
    raw = RawBtf()
    color = raw.enum("color", size, {})
    with Btf.from_bytes(bytes(raw)) as btf, pytest.raises(errors.NotSupportedError, match="an integer's"):
        btf.format(color, bytes(size))
