# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Code of BPF programs: names, source lines, and programs that come and go."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf import ffi, lib
from pylibbpf.symbols import Frame, KernelSymbols, Symbol
from pylibbpf.symbols.programs import ProgramCode
from tests.conftest import eventually, program_ids
from tests.symbols.conftest import kallsyms, run_with_capabilities

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]

PROGRAM, FUNCTION = "take_stacks_on_entry", "take_the_stack_of_the_kernel"


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/stack.bpf.c, loaded."""
    with bpf.Object.open(bpf_object("stack")) as obj:
        obj.load()
        yield obj


def address_in(obj: bpf.Object, kernel: KernelSymbols, name: str) -> int:
    """Where a function of the object's program is.

    Programs of earlier tests may have functions of the same name: the kernel takes the names of what is
    unloaded away after an RCU grace period.
    """
    id = obj.programs[PROGRAM].id
    assert kernel.find(1) is None  # makes it look for what is new
    (address,) = (
        address for address in kernel.addresses_of(name, module="bpf") if owner(kernel, address) == id
    )
    return address


def owner(kernel: KernelSymbols, address: int) -> int | None:
    """The id of the program that has code at an address."""
    symbol = kernel.find(address)
    return symbol and symbol.program_id


def listed(name: str, text: str | None = None) -> set[int]:
    """Where the kernel lists functions of BPF programs whose name begins so.

    It may lack one: the kernel goes through the list by position (kernel/bpf/core.c: bpf_get_kallsym), and
    passes over a symbol when one before it goes away between two reads.
    """
    return {
        address
        for address, _, known in kallsyms("bpf", text)
        if known.startswith("bpf_prog_") and known[26:].startswith(name[:15])
    }


def listed_address(name: str) -> int:
    """Where the kernel lists the one function of a name."""
    found: set[int] = set()

    def look() -> bool:
        found.update(listed(name))
        return bool(found)

    eventually(look)
    (address,) = found
    return address


def unused() -> str:
    """A name that no other program has: those of earlier tests, and of other processes, may be there."""
    return f"t{random.randrange(1 << 48):012x}"


def test_the_functions_of_a_program_have_their_whole_names(obj: bpf.Object, kernel: KernelSymbols) -> None:
    program = obj.programs[PROGRAM]
    found = {}
    for name in (PROGRAM, FUNCTION):
        found[name] = address_in(obj, kernel, name)
        symbol = kernel.find(found[name] + 1)
        assert symbol is not None
        assert (symbol.name, symbol.module, symbol.offset) == (name, "bpf", 1)
        assert symbol.program_id == program.id
    sizes = [symbol.size for address in found.values() if (symbol := kernel.find(address))]
    assert 0 < sum(sizes) <= program.info().jited_size
    assert len(set(found.values())) == 2

    def are_listed() -> bool:
        text = Path("/proc/kallsyms").read_text()
        return all(address in listed(name, text) for name, address in found.items())

    eventually(are_listed)


def test_a_program_that_is_loaded_later_is_found(kernel: KernelSymbols) -> None:
    name = unused()
    with pytest.raises(bpf.NameNotFoundError):
        kernel.address_of(name)
    fd = load_without_types(name.encode())
    try:
        address = listed_address(name)
        symbol = kernel.find(address)
        assert symbol is not None
        assert symbol.name == name
        assert kernel.address_of(name) == address
    finally:
        os.close(fd)


def test_a_program_that_was_unloaded_keeps_its_name_until_a_refresh(
    bpf_object: Find, kernel: KernelSymbols
) -> None:
    for _ in range(20):
        with bpf.Object.open(bpf_object("stack")) as obj:
            obj.load()
            program_id = obj.programs[PROGRAM].id
            function = kernel.find(address_in(obj, kernel, FUNCTION))
            assert function is not None
        if keeps_its_name(kernel, function, program_id):
            return
    pytest.fail("a program of another process took the place each time")


def keeps_its_name(kernel: KernelSymbols, function: Symbol, program_id: int) -> bool:
    """Asserts it of FUNCTION in a program that was unloaded.

    False if a program of another process lies there by now: the kernel fills the gaps that programs leave.
    """
    address = function.address

    def is_taken() -> bool:
        places = range(address, address + function.size)
        return any(owner(kernel, place) not in (None, program_id) for place in places)

    for _ in range(2):
        symbol, line = kernel.find(address), kernel.source(address)
        if is_taken():
            return False
        assert symbol is not None
        assert symbol.name == FUNCTION
        assert line is not None
        assert line.file.endswith("stack.bpf.c")
        assert kernel.find(1) is None  # makes it look for what is new
    eventually(lambda: program_id not in program_ids())
    # But it has no address any more; a program of an earlier test may still have one.
    try:
        has_address = address in kernel.addresses_of(FUNCTION)
    except bpf.NameNotFoundError:
        has_address = False
    if is_taken():
        return False
    assert not has_address
    kernel.refresh()
    symbol = kernel.find(address)
    assert symbol is None or symbol.name != FUNCTION or symbol.program_id not in (None, program_id)
    return True


def test_what_lies_where_a_program_was_replaces_it(bpf_object: Find, kernel: KernelSymbols) -> None:
    seen: set[int] = set()
    for _ in range(200):
        # The kernel frees a program in its own time, and fills the gaps it leaves; 5.10 puts each
        # somewhere in its pages.
        with bpf.Object.open(bpf_object("stack")) as obj:
            obj.load()
            id = obj.programs[PROGRAM].id
            ours = [function for function in ProgramCode()._table[1] if function.code.id == id]
            here = next(function for function in ours if function.name == PROGRAM)
            again = [address for address in seen if here.start <= address < here.end]
            for address in [here.start, *again]:
                symbol = kernel.find(address)
                assert symbol is not None
                assert (symbol.name, symbol.program_id) == (PROGRAM, id)
            if again:
                return
            seen.add(here.start)
    pytest.fail("the kernel never used an address again")


def test_a_stack_has_the_frames_and_lines_of_the_program(
    stacks: bpf.Object, bpf_object: Find, kernel: KernelSymbols
) -> None:
    frames = kernel.stack(stacks.variables["kernel_stack"].value)
    assert len(frames) * 8 == stacks.variables["kernel_size"].value
    # On 5.10 the innermost function is there twice.
    inner = frames[0]
    outer = next(frame for frame in frames if frame.symbol and frame.symbol.name != FUNCTION)
    assert inner.symbol is not None
    assert outer.symbol is not None
    assert (inner.symbol.name, outer.symbol.name) == (FUNCTION, PROGRAM)
    assert inner.source is not None
    assert outer.source is not None
    assert "bpf_get_stack(" in inner.source.text
    # Its return address belongs to the next line, or the one after.
    assert "/* the call */" in outer.source.text
    source = bpf_object("stack").with_suffix(".c")
    for line in (inner.source, outer.source):
        assert Path(line.file).name == source.name
        assert source.read_text().splitlines()[line.line - 1].strip() == line.text
        assert line.column > 0
    assert str(inner).startswith(f"{FUNCTION}+0x{inner.symbol.offset:x} [bpf] at {inner.source.file}:")
    others = frames[frames.index(outer) + 1 :]
    assert any("syscall" in frame.symbol.name for frame in others if frame.symbol)
    assert all(frame.source is None for frame in others)
    for frame in frames:
        assert frame.symbol is None or frame.address == frame.symbol.address + frame.symbol.offset


def test_a_stack_comes_from_a_map_or_a_buffer_alike(stacks: bpf.Object, kernel: KernelSymbols) -> None:
    id = stacks.variables["kernel_id"].value
    traces = stacks.map("kernel_stacks", bpf.maps.StackTrace)
    frames = kernel.stack(traces[id])
    assert frames[0].symbol is not None
    assert frames[0].symbol.name == PROGRAM
    raw = traces.lookup_bytes(id.to_bytes(4, "little"))
    assert raw is not None
    assert kernel.stack(raw) == kernel.stack(bytearray(raw)) == kernel.stack(list(traces[id])) == frames


def test_an_address_out_of_nothing_is_a_frame_without_a_symbol(kernel: KernelSymbols) -> None:
    assert kernel.stack([4096, 0, 5]) == [Frame(4096)]
    assert str(Frame(4096)) == "0x1000"


def test_there_are_no_lines_outside_of_programs(kernel: KernelSymbols) -> None:
    assert kernel.source(kernel.address_of("vfs_read")) is None
    assert kernel.source(0) is None


def test_the_kernels_refusal_to_show_programs_leaves_their_names(
    obj: bpf.Object, kernel: KernelSymbols
) -> None:
    address = address_in(obj, kernel, FUNCTION)
    # The list that the child reads may lack the symbol: see `listed`.
    script = f"""
import time
from pylibbpf import NameNotFoundError
from pylibbpf.symbols import KernelSymbols
import pylibbpf.symbols.stack

def has_address():
    try:
        return {address} in symbols.addresses_of({FUNCTION!r})
    except NameNotFoundError:
        return False

drop()
deadline = time.monotonic() + 20
symbols = KernelSymbols()
while not has_address() and time.monotonic() < deadline:
    symbols = KernelSymbols()
symbol = symbols.find({address} + 1)
print(symbol.name, symbol.module, symbol.offset, symbol.program_id, symbols.source({address}))
print(has_address())
"""
    cap_syslog = 1 << 34
    assert run_with_capabilities(cap_syslog, script) == f"{FUNCTION} bpf 1 None None\nTrue\n"


def load_without_types(name: bytes) -> int:
    """The fd of a socket filter that returns 0 (BPF_MOV64_IMM, BPF_EXIT_INSN), without BTF."""
    instructions = ffi.new("struct bpf_insn[2]", [{"code": 0xB7}, {"code": 0x95}])
    return int(lib.bpf_prog_load(bpf.ProgramType.SOCKET_FILTER, name, b"GPL", instructions, 2, ffi.NULL))


def test_a_program_without_types_has_the_name_that_the_kernel_keeps(kernel: KernelSymbols) -> None:
    name = unused()
    fd = load_without_types(name.encode())
    try:
        address = kernel.address_of(name, module="bpf")
        assert address == listed_address(name)
        assert kernel.source(address) is None
        symbol = kernel.find(address)
        assert symbol is not None
        assert symbol.size > 0
    finally:
        os.close(fd)


def test_programs_of_the_same_name_are_told_apart_by_their_ids(kernel: KernelSymbols) -> None:
    name = unused()
    fds = [load_without_types(name.encode()) for _ in range(2)]
    try:
        with pytest.raises(ValueError, match=f"2 symbols are called '{name}'"):
            kernel.address_of(name, module="bpf")
        ids = {kernel.find(address).program_id for address in kernel.addresses_of(name)}  # type: ignore[union-attr]
        expected = set()
        for fd in fds:
            with bpf.Program.from_fd(fd) as program:
                expected.add(program.id)
        assert ids == expected
    finally:
        for fd in fds:
            os.close(fd)
