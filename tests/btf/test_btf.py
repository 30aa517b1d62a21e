# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Btf: where it comes from, what it finds, when it ends."""

from __future__ import annotations

import gc
import os
import struct
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import _native, errors
from pylibbpf.btf import Btf, Func, Int, Kind, Struct, Typedef, Union
from tests import requirements
from tests.btf.raw import SIGNED, RawBtf, everything

needs_vmlinux = pytest.mark.needs("vmlinux_btf")


@pytest.fixture(scope="module")
def vmlinux() -> Iterator[Btf]:
    with Btf.vmlinux() as btf:
        yield btf


@pytest.fixture
def small() -> Iterator[Btf]:
    with Btf.from_bytes(bytes(everything())) as btf:
        yield btf


# --- where it comes from --------------------------------------------------------


@needs_vmlinux
def test_the_kernels_types_are_found(vmlinux: Btf) -> None:
    task = vmlinux.find("task_struct", Kind.STRUCT)
    assert isinstance(task, Struct)
    names = [member.name for member in task.members]
    assert {"pid", "tgid", "comm"} <= set(names)
    assert vmlinux.find("struct task_struct") == task
    assert isinstance(vmlinux.find("bpf_fentry_test1", "func"), Func)
    assert isinstance(vmlinux.find("u32"), Typedef)
    assert len(vmlinux) > 10_000
    assert vmlinux.byteorder == sys.byteorder
    assert vmlinux.base is None


@needs_vmlinux
def test_from_sys_fs_is_vmlinux() -> None:
    with Btf.from_sys_fs() as btf:
        assert "struct task_struct" in btf


@needs_vmlinux
def test_a_file_of_raw_btf_is_read() -> None:
    with Btf.from_file("/sys/kernel/btf/vmlinux") as btf:
        assert "task_struct" in btf


@pytest.mark.needs("vmlinux_btf", "root")
@pytest.mark.kernel("5.11", "vmlinux BTF under an id of its own")
def test_btf_of_the_kernel_has_an_id() -> None:
    with Btf.from_id(1) as btf:
        assert btf.id == 1
        assert "struct task_struct" in btf


@pytest.mark.needs("module_btf")
def test_a_module_has_types_split_from_the_kernels() -> None:
    # One that is used, if there is one: it stays loaded (name, size and uses of each: proc_modules(5)).
    lines = [line.split() for line in Path("/proc/modules").read_text().splitlines()]
    used = {name for name, _, uses, *_ in lines if uses != "0"}
    names = sorted(set(os.listdir("/sys/kernel/btf")) - {"vmlinux"})
    name = max(names, key=lambda name: name in used)
    with Btf.module(name) as module:
        assert module.base is not None
        assert "struct task_struct" in module
        first = next(iter(module))
        assert first.id == len(module.base) + 1
        assert "struct module {" in module.c_dump("struct module")


@needs_vmlinux
def test_a_module_that_is_not_loaded_is_not_found(vmlinux: Btf) -> None:
    with pytest.raises(errors.NotFoundError, match="module 'no_such_module'"):
        Btf.module("no_such_module", vmlinux)
    with pytest.raises(errors.NotFoundError):
        Btf.module("no_such_module")


@pytest.mark.needs("root")
def test_an_id_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(errors.NotFoundError, match="4294967295"):
        Btf.from_id((1 << 32) - 1)
    with pytest.raises(OverflowError):
        Btf.from_id(1 << 32)


def test_bytes_round_trip(small: Btf) -> None:
    data = small.to_bytes()
    assert data == bytes(everything())
    for source in (data, bytearray(data), memoryview(data)):
        with Btf.from_bytes(source) as again:
            assert [str(found) for found in again] == [str(found) for found in small]


def test_an_object_file_has_types(bpf_object: Any) -> None:
    path = bpf_object("spine")
    for source in (path, str(path), os.fsencode(path)):
        with Btf.from_elf(source) as btf:
            assert "tasks" in btf
    with Btf.from_file(path) as btf:
        assert btf.pointer_size == 8


def test_an_object_lends_its_types(bpf_object: Any) -> None:
    import pylibbpf

    obj = pylibbpf.Object.open(bpf_object("spine"))
    btf = obj.btf
    assert btf is not None
    function = btf.find("tasks", "func")
    assert isinstance(function, Func)
    obj.close()
    assert btf.closed
    with pytest.raises(errors.ClosedError):
        btf.find("tasks")
    with pytest.raises(errors.ClosedError):
        function.type


def test_closing_lent_types_leaves_the_object_alone(bpf_object: Any) -> None:
    import pylibbpf

    with pylibbpf.Object.open(bpf_object("spine")) as obj:
        assert obj.btf is not None
        obj.btf.close()
        assert obj.programs["tasks"].name == "tasks"


# --- bad input ---------------------------------------------------------------------


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    for make in (Btf.from_file, Btf.from_elf):
        with pytest.raises(errors.NotFoundError, match="missing"):
            make(tmp_path / "missing")


@pytest.mark.parametrize("contents", [b"", b"x", b"some text, and more of it", b"\x7fELF", bytes(100)])
def test_a_file_of_something_else_is_a_format_error(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(contents)
    for make in (Btf.from_file, Btf.from_elf):
        with pytest.raises(errors.FormatError, match=str(path)) as caught:
            make(path)
        assert caught.value.errno


def test_a_directory_is_an_error(tmp_path: Path) -> None:
    for make in (Btf.from_file, Btf.from_elf):
        with pytest.raises(errors.BpfError):
            make(tmp_path)


def test_an_elf_file_without_btf_is_a_format_error() -> None:
    with pytest.raises(errors.FormatError, match="no BTF in it"):
        Btf.from_elf(sys.executable)
    with pytest.raises(errors.FormatError, match="no BTF in it"):
        Btf.from_file(sys.executable)


def test_bytes_that_are_no_btf_are_a_format_error() -> None:
    for data in (b"", b"x" * 10, b"x" * 100, bytes(everything())[:-5]):
        with pytest.raises(errors.FormatError):
            Btf.from_bytes(data)
    with pytest.raises(TypeError):
        Btf.from_bytes("text")  # type: ignore[arg-type]


def test_errors_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    raw = RawBtf()
    raw.refer(Kind.PTR, 99)
    # The vendored libbpf refuses it; with 1.1 the type does.
    with pytest.raises(errors.FormatError) as caught, Btf.from_bytes(bytes(raw)) as btf:
        btf[1].type  # type: ignore[attr-defined]
    assert "99" in str(caught.value)
    assert capfd.readouterr() == ("", "")


# --- finding -----------------------------------------------------------------------


def test_names_are_found_with_and_without_a_kind(small: Btf) -> None:
    event = small.find("event")
    assert event == small.find("event", Kind.STRUCT)
    assert event == small.find("event", "struct") == small.find("event", 4)
    assert event == small.find("struct event") == small.find("struct event", "struct")
    assert small.find("wide", "enum").kind is Kind.ENUM64
    assert small.find("unsigned long").kind is Kind.INT
    assert small.find("void").id == 0
    assert "event" in small
    assert "struct event" in small
    assert event in small
    assert "union event" not in small
    assert "nothing" not in small
    assert "" not in small
    assert 17 not in small


def test_the_first_type_of_a_name_is_found() -> None:
    raw = RawBtf()
    number = raw.integer("int", 4, SIGNED)
    raw.refer(Kind.TYPEDEF, number, "thing")
    first = raw.struct("thing", 4, ("a", number, 0))
    raw.struct("thing", 4, ("b", number, 0))
    with Btf.from_bytes(bytes(raw)) as btf:
        assert isinstance(btf.find("thing"), Typedef)
        assert btf.find("thing", "struct").id == first


def test_a_name_that_does_not_exist_offers_close_ones(small: Btf) -> None:
    with pytest.raises(errors.NameNotFoundError) as caught:
        small.find("evnt")
    assert caught.value.matches == ["event"]
    assert "did you mean 'event'?" in str(caught.value)
    with pytest.raises(KeyError):
        small.find("")
    with pytest.raises(KeyError):
        small.find("event\0")
    with pytest.raises(KeyError):
        small.find("void", "struct")
    with pytest.raises(KeyError):
        small.find("event", Kind.UNKN)
    # Names of members are no types.
    with pytest.raises(errors.NameNotFoundError) as caught:
        small.find("comn")
    assert caught.value.matches == []


def test_a_name_of_another_kind_is_offered(small: Btf) -> None:
    with pytest.raises(errors.NameNotFoundError, match="'union event'; did you mean 'struct event'"):
        small.find("union event")
    with pytest.raises(errors.NameNotFoundError, match="did you mean 'func handle'"):
        small.find("handl", "func")


def test_bad_kinds_and_names_are_refused(small: Btf) -> None:
    with pytest.raises(ValueError, match="'structure' is no kind of BTF type; there are unkn, int, ptr"):
        small.find("event", "structure")
    with pytest.raises(ValueError):
        small.find("event", 99)
    with pytest.raises(TypeError):
        small.find(b"event")  # type: ignore[arg-type]


@needs_vmlinux
def test_a_misspelt_kernel_name_offers_the_right_one(vmlinux: Btf) -> None:
    with pytest.raises(errors.NameNotFoundError) as caught:
        vmlinux.find("struct task_strct")
    assert "struct task_struct" in caught.value.matches


def test_ids_lead_to_types(small: Btf) -> None:
    assert small[1].name == "int"
    for bad in (-1, len(small) + 1, 1 << 32, 1 << 40):
        with pytest.raises(IndexError):
            small[bad]
    with pytest.raises(TypeError, match="find"):
        small["event"]  # type: ignore[index]


def test_iteration_is_in_the_order_of_ids(small: Btf) -> None:
    assert [found.id for found in small] == list(range(1, len(small) + 1))
    assert [found.id for found in Btf.__iter__(small)][-1] == len(small)


def test_resolve_goes_through_typedefs_and_modifiers(small: Btf) -> None:
    assert small.resolve("pid_t") == small.find("int")
    constant = next(found for found in small if found.kind is Kind.CONST)
    assert small.resolve(constant) == small.find("event")
    assert small.resolve("event") == small.find("event")
    with pytest.raises(errors.FormatError):
        small.resolve("void")


def test_sizes_and_alignments(small: Btf) -> None:
    assert (small.size_of("event"), small.align_of("event")) == (64, 8)
    assert (small.size_of("pid_t"), small.align_of("pid_t")) == (4, 4)
    assert small.align_of("point") == 4
    for nothing in ("void", "handle", "unknown"):
        with pytest.raises(errors.FormatError):
            small.size_of(nothing)
        with pytest.raises(errors.FormatError):
            small.align_of(nothing)


def test_a_type_of_another_btf_is_refused(small: Btf) -> None:
    with Btf.from_bytes(bytes(everything())) as other, pytest.raises(ValueError, match="another Btf"):
        small.size_of(other[1])


def test_endless_typedefs_are_a_format_error() -> None:
    raw = RawBtf()
    raw.refer(Kind.TYPEDEF, 2, "a")
    raw.refer(Kind.TYPEDEF, 1, "b")
    with Btf.from_bytes(bytes(raw)) as btf:
        for ask in (btf.resolve, btf.size_of, btf.align_of, btf.codec, btf.c_dump, btf.to_ctypes):
            with pytest.raises(errors.FormatError):
                ask("a")
        assert "typedef" in repr(btf.find("a"))


# --- split ---------------------------------------------------------------------------


# The id of struct event in everything().
EVENT = 20


def split() -> tuple[bytes, bytes]:
    base = everything()
    added = RawBtf(first_id=len(base.types) + 1, first_string=len(base.strings))
    number = added.integer("short", 2, SIGNED)
    added.struct("module_state", 72, ("event", EVENT, 0), ("count", number, 512))
    return bytes(base), bytes(added)


def open_split(data: bytes, base: Btf) -> Btf:
    try:
        return Btf.from_bytes(data, base)
    except errors.NotSupportedError as error:
        base.close()
        raise requirements.Unmet("needs libbpf 1.4 (found with: the vendored libbpf)") from error


def test_split_btf_adds_to_its_base() -> None:
    base_data, data = split()
    with Btf.from_bytes(base_data) as base, open_split(data, base) as btf:
        assert base[EVENT].name == "event"
        assert btf.base is base
        assert len(btf) == 2
        assert [found.name for found in btf] == ["short", "module_state"]
        assert btf.find("event").id == base.find("event").id
        assert btf[1].name == "int"
        assert isinstance(btf.find("module_state"), Struct)
        with pytest.raises(errors.NameNotFoundError, match="did you mean 'event'"):
            btf.find("evemt")


def test_split_btf_outlives_its_bases_close() -> None:
    base_data, data = split()
    base = Btf.from_bytes(base_data)
    btf = open_split(data, base)
    base.close()
    assert base.closed
    assert btf.find("event").size == 64
    assert "struct event {" in btf.c_dump("struct event")
    btf.close()
    with pytest.raises(errors.ClosedError):
        Btf.from_bytes(data, base)


def test_split_btf_without_its_base_makes_no_sense() -> None:
    _, data = split()
    # The vendored libbpf refuses it; with 1.1 its types do.
    with pytest.raises(errors.FormatError), Btf.from_bytes(data) as btf:
        list(btf)


def test_split_btf_may_be_dropped_in_any_order() -> None:
    base_data, data = split()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(20):
            base = Btf.from_bytes(base_data)
            cycle: list[Any] = [base, open_split(data, base)]
            cycle.append(cycle)
            del base, cycle
            gc.collect()
            _native.collect()


# --- lifetime ------------------------------------------------------------------------


def test_after_close_everything_raises() -> None:
    btf = Btf.from_bytes(bytes(everything()))
    event = btf.find("event")
    btf.close()
    btf.close()
    assert btf.closed
    assert repr(btf) == "<Btf bytes: closed>"
    for use in (
        lambda: btf.find("event"),
        lambda: btf[1],
        lambda: list(btf),
        lambda: len(btf),
        btf.c_dump,
        btf.to_bytes,
        lambda: btf.codec(event),
        lambda: btf.resolve(event),
        lambda: btf.pointer_size,
        lambda: "event" in btf,
    ):
        with pytest.raises(errors.ClosedError, match="this Btf is closed"):
            use()


def test_codecs_and_classes_outlive_close() -> None:
    with Btf.from_bytes(bytes(everything())) as btf:
        cls, codec = btf.to_ctypes("event"), btf.codec("color")
    assert cls(pid=7).pid == 7
    assert codec.decode(codec.encode("BLUE")) == 7


def test_a_dropped_btf_warns_and_is_freed() -> None:
    btf = Btf.from_bytes(bytes(everything()))
    with pytest.warns(ResourceWarning, match="unclosed <Btf bytes"):  # noqa: PT031 - the finalizer runs here
        del btf
        gc.collect()


def test_a_btf_is_true_and_says_what_it_is(small: Btf) -> None:
    with Btf.from_bytes(bytes(RawBtf())) as empty:
        assert len(empty) == 0
        assert empty
    assert repr(small) == f"<Btf bytes: {len(small)} types>"


def test_a_fork_may_close_what_it_inherits() -> None:
    program = """
import os
from pylibbpf.btf import Btf
from tests.btf.raw import everything
btf = Btf.from_bytes(bytes(everything()))
pid = os.fork()
btf.close()
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_importing_btf_loads_neither_ctypes_nor_numpy() -> None:
    program = """
import sys, pylibbpf.btf
assert not {'ctypes', 'numpy', 'logging', 'dataclasses'} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


# --- other machines ------------------------------------------------------------------


def test_types_of_the_other_byte_order_are_shown_but_not_decoded() -> None:
    raw = RawBtf()
    number = raw.integer("int", 4, SIGNED)
    raw.struct("pair", 8, ("a", number, 0), ("b", number, 32))
    swapped = bytes(raw)[:24] + b"".join(raw.types) + raw.strings
    header = struct.unpack("=HBBIIIII", swapped[:24])
    words = len(b"".join(raw.types)) // 4
    foreign = ">" if sys.byteorder == "little" else "<"
    data = (
        struct.pack(f"{foreign}HBBIIIII", *header)
        + struct.pack(f"{foreign}{words}I", *struct.unpack(f"={words}I", b"".join(raw.types)))
        + raw.strings
    )
    with Btf.from_bytes(data) as btf:
        assert btf.byteorder != sys.byteorder
        pair = btf.find("pair")
        assert isinstance(pair, Struct)
        assert [member.offset for member in pair.members] == [0, 4]
        assert "int b;" in btf.c_dump("pair")
        with pytest.raises(KeyError, match="did you mean 'pair'"):
            btf.find("pairs")
        with pytest.raises(ValueError, match="endian"):
            btf.codec("int")


def test_pointers_have_the_size_of_the_machine() -> None:
    raw = RawBtf()
    raw.integer("unsigned long", 4)
    pointer = raw.refer(Kind.PTR, 0)
    with Btf.from_bytes(bytes(raw)) as btf:
        assert btf.pointer_size == 4
        assert btf[pointer].size == 4
        assert btf.codec(pointer).size == 4


def test_names_that_are_no_text_survive() -> None:
    raw = RawBtf()
    raw.integer("b\udcff", 4)
    with Btf.from_bytes(bytes(raw)) as btf:
        found = btf.find("b\udcff")
        assert isinstance(found, Int)
        assert found.name == "b\udcff"


def test_anonymous_unions_have_no_name(small: Btf) -> None:
    assert [found.name for found in small if isinstance(found, Union)] == [""]
