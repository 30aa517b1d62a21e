# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Addresses of processes to names."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.symbols import FileSymbols, Frame, ProcessSymbols, build_id_stack
from tests.symbols.conftest import run_with_capabilities
from tests.symbols.programs import LIBRARY, Running, compile_c, running

pytestmark = pytest.mark.needs("root", "pyelftools")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def program(directory: Path) -> Path:
    """A position-independent program with all its symbols."""
    return compile_c(directory / "program", "-fPIE", "-pie", "-rdynamic")


@pytest.fixture(scope="module")
def stripped(program: Path) -> Path:
    """The same, with the names that it exports alone."""
    path = program.with_name("stripped")
    subprocess.run(["strip", "-o", str(path), str(program)], check=True)
    return path


@pytest.fixture
def process(program: Path) -> Iterator[Running]:
    with running([program]) as found:
        yield found


def address_in_libc(function: str) -> int:
    return ctypes.cast(getattr(ctypes.CDLL(None), function), ctypes.c_void_p).value or 0


def names(symbols: ProcessSymbols, process: Running) -> list[str | None]:
    """What the program's three functions are called, by an address inside each."""
    found = [symbols.find(address + 1) for address in (process.exported, process.hidden, process.main)]
    return [symbol.name if symbol else None for symbol in found]


ALL = ["exported_work", "hidden_work", "main"]
EXPORTED = ["exported_work", None, "main"]


# --- what is mapped ------------------------------------------------------------------------


@pytest.mark.parametrize("pid", [0, None], ids=["zero", "own pid"])
def test_a_function_of_a_library_has_its_name_and_file(pid: int | None) -> None:
    symbols = ProcessSymbols(os.getpid() if pid is None else pid)
    assert symbols.pid == os.getpid()
    address = address_in_libc("getpgid")
    symbol = symbols.find(address + 3)
    assert symbol is not None
    assert (symbol.name, symbol.address, symbol.offset) == ("getpgid", address, 3)
    assert re.search(r"/libc[.-].*so", symbol.module)
    assert symbols.find(address + 3) is symbol
    mapping = symbols.mapping(address)
    assert mapping is not None
    assert mapping.path == symbol.module
    assert mapping.permissions == "r-xp"
    assert mapping.inode == os.stat(mapping.path).st_ino
    assert not mapping.deleted
    assert mapping in symbols.mappings


@pytest.mark.parametrize(
    "options", [["-fPIE", "-pie"], ["-fno-pie", "-no-pie"], ["-static"]], ids=["pie", "fixed", "static"]
)
@pytest.mark.filterwarnings("ignore")
def test_a_program_may_lie_anywhere(directory: Path, options: list[str]) -> None:
    path = compile_c(directory / f"program{options[-1]}", *options, "-w")
    with running([path]) as process:
        symbols = ProcessSymbols(process.pid)
        assert names(symbols, process) == ALL
        symbol = symbols.find(process.hidden)
        assert symbol is not None
        assert (symbol.address, symbol.module) == (process.hidden, str(path))


def test_the_vdso_has_names() -> None:
    symbols = ProcessSymbols()
    vdso = next(mapping for mapping in symbols.mappings if mapping.path == "[vdso]")
    found = {symbol.name for address in range(vdso.start, vdso.end, 16) if (symbol := symbols.find(address))}
    assert any("gettime" in name for name in found)
    frame = symbols.stack([vdso.start])[0]
    assert frame.file == "[vdso]"
    assert frame.file_offset == 0


def test_an_address_in_nothing_has_no_name(process: Running) -> None:
    symbols = ProcessSymbols(process.pid)
    stack = next(mapping for mapping in symbols.mappings if mapping.path == "[stack]")
    for address in (0, 1, 4096, stack.start, 0xFFFFFFFF81000000, 2**64 - 1, 2**64):
        assert symbols.find(address) is None
        assert symbols.stack([address]) == ([Frame(address)] if address else [])
    assert symbols.mapping(1) is None


def test_a_library_that_is_loaded_later_is_found(directory: Path, process: Running) -> None:
    library = compile_c(directory / "later.so", "-shared", "-fPIC", source=LIBRARY)
    symbols = ProcessSymbols(process.pid)
    before = symbols.mappings
    address = process.load(library)
    symbol = symbols.find(address)
    assert symbol is not None
    assert (symbol.name, symbol.module) == ("in_library", str(library))
    assert len(symbols.mappings) > len(before)


@pytest.mark.parametrize(
    "name", ["with space.so", "x (deleted) y.so", "\u00fc.so", "two\nlines.so", "\udcff.so"]
)
def test_a_path_may_have_any_characters(directory: Path, process: Running, name: str) -> None:
    library = compile_c(directory / "plain.so", "-shared", "-fPIC", source=LIBRARY)
    address = process.load(library)
    # The kernel tells the name that the file has now.
    odd = library.rename(directory / name)
    symbol = ProcessSymbols(process.pid).find(address)
    assert symbol is not None
    assert (symbol.name, symbol.module) == ("in_library", str(odd))


# --- files that are not what they were -----------------------------------------------------


def test_a_stripped_program_has_the_names_that_it_exports(program: Path, stripped: Path) -> None:
    with running([stripped]) as process:
        symbols = ProcessSymbols(process.pid)
        assert names(symbols, process) == EXPORTED
        frame = symbols.stack([process.hidden])[0]
    assert frame.symbol is None
    assert frame.file == str(stripped)
    assert str(frame) == f"{process.hidden:#x} [stripped+{frame.file_offset:#x}]"
    # What the frame has is enough to find the name where there are symbols.
    whole = FileSymbols(program)
    assert frame.build_id == whole.build_id is not None
    assert frame.file_offset is not None
    symbol = whole.find(frame.file_offset)
    assert symbol is not None
    assert symbol.name == "hidden_work"


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_was_deleted_or_replaced_is_still_read(program: Path, directory: Path, how: str) -> None:
    path = directory / f"copy-{how}"
    shutil.copy(program, path)
    with running([path]) as process:
        path.unlink()
        if how == "replaced":
            shutil.copy("/bin/true", path)
        symbols = ProcessSymbols(process.pid)
        assert names(symbols, process) == ALL
        mapping = symbols.mapping(process.main)
        assert mapping is not None
        assert (mapping.path, mapping.deleted) == (str(path), True)


def test_a_process_may_have_other_mounts(program: Path, directory: Path) -> None:
    mounted = directory / "mounted"
    mounted.mkdir()
    (mounted / "program").write_bytes(b"another file of that name")
    script = f"mount -t tmpfs tmpfs {mounted} && cp {program} {mounted}/program && exec {mounted}/program"
    with running(["unshare", "--mount", "sh", "-c", script]) as process:
        symbols = ProcessSymbols(process.pid)
        assert names(symbols, process) == ALL
        assert symbols.stack([process.main])[0].file == f"{mounted}/program"


def without_map_files(pid: int, addresses: list[int]) -> list[str]:
    """What a process that may not read map_files finds at these addresses."""
    script = f"""
from pylibbpf.symbols import ProcessSymbols
import pylibbpf.symbols.stack, elftools.elf.elffile, elftools.elf.segments
drop()
for frame in ProcessSymbols({pid}).stack({addresses}):
    print(frame.symbol.name if frame.symbol else None)
"""
    cap_sys_ptrace = 1 << 19
    return run_with_capabilities(cap_sys_ptrace, script).split()


def test_without_capabilities_a_file_is_found_by_its_path(program: Path, directory: Path) -> None:
    path = directory / "by-path"
    shutil.copy(program, path)
    with running([path]) as process:
        addresses = [process.exported + 1, process.hidden + 1]
        assert without_map_files(process.pid, addresses) == ["exported_work", "hidden_work"]
        # And never another file of that name.
        subprocess.run(["mount", "--bind", "/bin/true", str(path)], check=True)
        try:
            assert without_map_files(process.pid, addresses) == ["None", "None"]
            assert names(ProcessSymbols(process.pid), process) == ALL
        finally:
            subprocess.run(["umount", str(path)], check=True)


def test_without_capabilities_a_file_of_another_mount_is_found_below_its_root(
    program: Path, directory: Path
) -> None:
    mounted = directory / "rooted"
    mounted.mkdir()
    script = f"mount -t tmpfs tmpfs {mounted} && cp {program} {mounted}/program && exec {mounted}/program"
    with running(["unshare", "--mount", "sh", "-c", script]) as process:
        assert without_map_files(process.pid, [process.hidden + 1]) == ["hidden_work"]


# --- processes that are not there ----------------------------------------------------------


def test_no_such_process_is_an_error() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    with pytest.raises(bpf.NotFoundError, match=rf"process {ended.pid}: No such process .*\n.*has ended"):
        ProcessSymbols(ended.pid)


def test_a_process_that_has_ended_and_was_not_waited_for_is_gone_too() -> None:
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(bpf.NotFoundError, match="has ended"):
            ProcessSymbols(ended.pid)


def test_a_process_that_ends_keeps_what_was_read(program: Path) -> None:
    with running([program]) as process:
        before, after = ProcessSymbols(process.pid), ProcessSymbols(process.pid)
        assert names(before, process) == ALL
        process.end()
    assert names(before, process) == ALL
    # Its file is still where it was.
    assert names(after, process) == ALL
    assert after.find(1) is None
    with pytest.raises(bpf.NotFoundError, match="has ended"):
        after.refresh()


def test_a_process_of_somebody_else_is_refused(process: Running) -> None:
    script = f"""
import os
import pylibbpf as bpf
from pylibbpf.symbols import ProcessSymbols
drop()
os.environ.clear()
try:
    ProcessSymbols({process.pid})
except bpf.PermissionDeniedError as error:
    print(error)
"""
    said = run_with_capabilities(0, script)
    assert f"cannot read what is mapped by process {process.pid}" in said
    assert "grant CAP_SYS_PTRACE" in said


def test_a_kernel_thread_has_nothing_mapped() -> None:
    if Path("/proc/2/comm").read_text() == "kthreadd\n":  # not in a container
        symbols = ProcessSymbols(2)
        assert symbols.mappings == ()
        assert symbols.find(address_in_libc("getpgid")) is None


@pytest.mark.parametrize(
    ("pid", "error"), [(-1, ValueError), ("1", TypeError), (True, TypeError), (None, TypeError)]
)
def test_a_pid_that_cannot_be_is_refused(pid: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="a pid is"):
        ProcessSymbols(pid)  # type: ignore[arg-type]


# --- stacks --------------------------------------------------------------------------------


@pytest.mark.needs("vmlinux_btf")
def test_a_stack_that_a_program_took_begins_in_the_system_call(
    stacks: bpf.Object, bpf_object: Callable[[str], Path]
) -> None:
    symbols = ProcessSymbols()
    stack = stacks.variables["user_stack"].value
    frames = symbols.stack(stack)
    # Without frame pointers, the kernel follows whatever is in their place, to a zero for instance.
    taken = list(stack)[: stacks.variables["user_size"].value // 8]
    assert [frame.address for frame in frames] == list(takewhile(bool, taken))
    first = frames[0]
    assert first.symbol is not None
    assert first.symbol.name == "getpgid"
    assert str(first).startswith(f"getpgid+{first.symbol.offset:#x} [libc")
    traces = stacks.map("user_stacks", bpf.maps.StackTrace)
    assert symbols.stack(traces[stacks.variables["user_id"].value])[0] == first
    # The same place by build id and offset, as the kernel reads them.
    same = build_id_stack(stacks.variables["user_build_ids"].value)[0]
    if same.build_id is not None:  # or else the file's first page was not in memory
        assert (same.build_id, same.file_offset) == (first.build_id, first.file_offset)
        assert FileSymbols(first.file).find(same.file_offset or 0).name == "getpgid"  # type: ignore[union-attr]


def test_return_addresses_belong_to_the_call_before_them(process: Running) -> None:
    symbols = ProcessSymbols(process.pid)
    symbol = symbols.find(process.exported)
    assert symbol is not None
    end = symbol.address + symbol.size
    # As of a call that never returns, at the end of a function.
    inner, outer = symbols.stack([process.main, end])
    assert inner.symbol == symbols.find(process.main)
    assert outer.symbol is not None
    assert (outer.symbol.name, outer.symbol.offset, outer.address) == ("exported_work", symbol.size, end)


def test_files_are_read_once_for_all_processes(program: Path) -> None:
    with running([program]) as one, running([program]) as other:
        first, second = ProcessSymbols(one.pid), ProcessSymbols(other.pid)
        assert first.find(one.main) is not None
        assert second.find(other.main) is not None
        mappings = first.mapping(one.main), second.mapping(other.main)
        assert first._symbols_of(mappings[0]) is second._symbols_of(mappings[1])  # type: ignore[arg-type]


def test_without_pyelftools_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "elftools", None)
    for make in (ProcessSymbols, lambda: FileSymbols(sys.executable)):
        with pytest.raises(ImportError, match=r"pip install 'pylibbpf\[symbols\]'"):
            make()
