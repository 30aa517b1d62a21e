# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What tools ask of a kernel before they choose a program: fields, enumerators, functions, tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pylibbpf import Btf, FormatError, NameNotFoundError, Object
from pylibbpf.btf import BtfBuilder, BtfExt, FuncProto, Kind
from pylibbpf.maps import HashMap, Map
from tests.btf.raw import everything


@pytest.fixture(scope="module")
def vmlinux() -> Iterator[Btf]:
    with Btf.vmlinux() as btf:
        yield btf


@pytest.fixture
def small() -> Iterator[Btf]:
    with Btf.from_bytes(bytes(everything())) as btf:
        yield btf


def test_fields_are_found_by_path(small: Btf) -> None:
    assert str(small.field("struct event", "pid").type) == "pid_t"
    found = small.field("struct event", "where.y")
    assert (str(found.type), found.offset, found.size, found.bitfield_size) == ("int", 36, 4, 0)
    assert small.field("struct event", "half").offset == 24  # of an anonymous union
    assert small.field("struct event", "numbers[2]").offset == 44 + 8
    bit = small.field("struct bits", "b")
    assert (bit.bit_offset, bit.offset, bit.bitfield_size) == (3, 0, 5)
    for of, path, error in (
        ("struct event", "where.z", NameNotFoundError),
        ("struct event", "pid.x", NameNotFoundError),
        ("struct event", "numbers[3]", NameNotFoundError),
        ("struct event", "next.x", NameNotFoundError),
        ("struct nothing", "x", NameNotFoundError),
        ("struct event", "", ValueError),
        ("struct event", ".pid", ValueError),
        ("struct event", "numbers[x]", ValueError),
    ):
        with pytest.raises(error):
            small.field(of, path)
        if error is NameNotFoundError:
            assert not small.has_field(of, path)
    with pytest.raises(NameNotFoundError, match="did you mean 'where'"):
        small.field("struct event", "wher")
    with pytest.raises(TypeError):
        small.field("struct event", 3)  # type: ignore[arg-type]


def test_a_field_of_what_is_part_of_itself_ends() -> None:
    with BtfBuilder() as built:
        built.add_struct("loop", 8, [("", built.next_id, 0)])
        with pytest.raises(NameNotFoundError):
            built.field(1, "x")


@pytest.mark.needs("vmlinux_btf")
def test_the_kernel_is_asked(vmlinux: Btf) -> None:
    assert vmlinux.has_field("struct task_struct", "se.sum_exec_runtime")
    assert vmlinux.field("struct task_struct", "comm[3]").type.name == "char"
    assert str(vmlinux.field("struct task_struct", "mm").type) == "struct mm_struct *"
    assert not vmlinux.has_field("struct task_struct", "no_such_field")
    assert vmlinux.enum_value("BPF_MAP_TYPE_HASH") == 1
    assert vmlinux.enum_value("BPF_MAP_TYPE_HASH", "enum bpf_map_type") == 1
    assert not vmlinux.has_enum_value("BPF_MAP_TYPE_NOTHING")
    assert not vmlinux.has_enum_value("BPF_MAP_TYPE_HASH", "enum bpf_prog_type")
    with pytest.raises(NameNotFoundError, match="BPF_MAP_TYPE_HASH"):
        vmlinux.enum_value("BPF_MAP_TYPE_HASHH", "enum bpf_map_type")
    opened = vmlinux.function("bpf_prog_put")
    assert isinstance(opened.type, FuncProto)
    assert [str(param) for param in opened.type.params] == ["struct bpf_prog *prog"]
    assert vmlinux.has_function("bpf_prog_put")
    assert not vmlinux.has_function("task_struct")
    with pytest.raises(NameNotFoundError):
        vmlinux.function("no_such_function")


def test_tags_are_found(small: Btf) -> None:
    assert small.tags("struct event") == ("tag",)
    assert small.tags("struct event", 2) == ("member_tag",)
    assert small.tags("struct event", 1) == ()
    assert small.tags("int") == ()


def test_what_is_added_is_found_too(small: Btf) -> None:
    with BtfBuilder(base=small) as split:
        assert split.enum_value("GREEN") == 1
        assert not split.has_enum_value("LATER")
        split.add_enum("late", {"LATER": 9})
        split.add_decl_tag("more", "struct event")
        assert split.enum_value("LATER") == 9
        assert split.tags("struct event") == ("tag", "more")
        assert not small.has_enum_value("LATER")


# --- maps -------------------------------------------------------------------------------


@pytest.mark.needs("root")
def test_the_types_of_a_map_are_found(bpf_object: Callable[[str], Path]) -> None:
    with Object.open(bpf_object("spine")) as obj, Btf.vmlinux() as other:
        assert obj.btf is not None
        typed = next(map for map in obj.maps.values() if map._type_ids[0])
        key, value = obj.btf.type_of(typed)
        assert key is not None
        assert value is not None
        assert (key.size, value.size) == (typed.key_size, typed.value_size)
        with pytest.raises(ValueError, match="another Btf"):
            other.type_of(typed)


@pytest.mark.needs("root")
def test_the_types_of_a_map_by_id_are_those_that_the_kernel_has(bpf_object: Callable[[str], Path]) -> None:
    from tests.maps.conftest import NEWER

    with Object.open(bpf_object("maps")) as obj:
        for name in NEWER:
            obj.maps[name].autocreate = False
        obj.load()
        with (
            Map.from_id(obj.maps["events_by_flow"].id) as map,
            Btf.from_id(map.info().btf_id) as btf,
            HashMap.create(key_size=4, value_size=4, max_entries=1) as untyped,
        ):
            assert [str(of) for of in btf.type_of(map)] == ["struct flow", "struct event"]
            with pytest.raises(ValueError, match="another Btf"):
                btf.type_of(untyped)


# --- .BTF.ext -----------------------------------------------------------------------------


def test_instructions_have_functions_lines_and_relocations(bpf_object: Callable[[str], Path]) -> None:
    path = bpf_object("tracing")
    with Btf.from_elf(path) as btf:
        ext = BtfExt.from_elf(path, btf)
        assert ext.functions
        for section, functions in ext.functions.items():
            assert functions[0].offset == 0
            assert all(function.type.kind == Kind.FUNC for function in functions)
            lines = ext.lines[section]
            assert lines[0].file.endswith("tracing.bpf.c")
            assert all(line.line > 0 for line in lines if line.text)
        relocations = [relocation for listed in ext.relocations.values() for relocation in listed]
        assert all(relocation.access.startswith("0") for relocation in relocations)
        again = BtfExt(btf, ext.to_bytes())
        assert (again.functions, again.lines) == (ext.functions, ext.lines)


def test_broken_btf_ext_is_a_format_error(bpf_object: Callable[[str], Path]) -> None:
    path = bpf_object("tracing")
    with Btf.from_elf(path) as btf:
        whole = BtfExt.from_elf(path, btf).to_bytes()
        for broken in (b"", b"\0" * 64, whole[:40], whole[:8] + b"\xff" * 24 + whole[32:]):
            with pytest.raises(FormatError):
                BtfExt(btf, broken)
        with Btf.from_bytes(bytes(everything())) as other:
            try:
                BtfExt(other, whole)
            except (FormatError, IndexError):
                pass  # unless it happens to have strings and types there
        with pytest.raises(FormatError, match=r"find \.BTF\.ext"):
            BtfExt.from_elf(__file__, btf)
