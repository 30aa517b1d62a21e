# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Uprobes: functions of programs and libraries."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import PerfEventType, ProbeAttachMode
from pylibbpf.link import Link, PerfEventLink, attach_uprobe, attach_uretprobe
from pylibbpf.link.info import PerfEventInfo, UProbeInfo
from pylibbpf.programs import UProbe, URetProbe
from tests import requirements
from tests.conftest import eventually, eventually_unwritten
from tests.link.harness import LinkConformance, older_than

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "uprobe")

Find = Callable[[str], Path]


class TestUProbe(LinkConformance):
    object, program = "uprobe", "on_entry"
    kind, link_class = UProbe, PerfEventLink
    link_since = "5.15"
    event_type = PerfEventType.UPROBE

    def attach(self, program: Any, where: Any) -> Link:
        return attach_uprobe(program, "libc.so.6", symbol="getpgid")

    def trigger(self, where: Any) -> None:
        os.getpgid(0)

    def check(self, info: Any, where: Any) -> None:
        if older_than("6.6"):
            assert type(info) is PerfEventInfo
            assert info.event_type is None
            return
        assert type(info) is UProbeInfo
        assert info.event_type == self.event_type
        assert os.path.samefile(info.file, libc())
        assert info.offset > 0
        assert info.cookie == (None if older_than("6.9") else 0)


class TestURetProbe(TestUProbe):
    program, kind = "on_return", URetProbe  # type: ignore[assignment]
    event_type = PerfEventType.URETPROBE

    def attach(self, program: Any, where: Any) -> Link:
        return attach_uretprobe(program, "libc.so.6", symbol="getpgid")


def libc() -> str:
    """The C library that this process runs."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next(line.split()[-1] for line in lines if line.endswith("/libc.so.6"))


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/uprobe.bpf.c, not yet loaded, counting this process."""
    with bpf.Object.open(bpf_object("uprobe")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


@pytest.fixture
def program(obj: bpf.Object) -> UProbe:
    obj.load()
    return obj.program("on_entry", UProbe)


@pytest.fixture(params=["object", "fd"])
def either(request: pytest.FixtureRequest, program: UProbe) -> Iterator[UProbe]:
    """A program of an object, and the same from the kernel."""
    if request.param == "object":
        yield program
        return
    with UProbe.from_fd(program.fd) as found:
        yield found


def fires(obj: bpf.Object, name: str = "on_entry") -> bool:
    before = obj.variables[f"{name}_runs"].value
    os.getpgid(0)
    return bool(obj.variables[f"{name}_runs"].value > before)


# --- where it attaches ---------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), [("on_entry", UProbe), ("on_return", URetProbe)])
def test_the_section_decides_or_the_caller(obj: bpf.Object, name: str, kind: type[UProbe]) -> None:
    obj.load()
    program = obj.program(name, kind)
    for attach in (program.attach, lambda: program.attach(libc(), symbol="getpgid")):
        link = attach()
        assert program.links == (link,)
        assert fires(obj, name)
        link.close()
        eventually(lambda: not fires(obj, name))


@pytest.mark.needs("prepare")
@pytest.mark.parametrize(("name", "kind"), [("on_entry", UProbe), ("on_return", URetProbe)])
def test_the_section_decides_for_a_program_that_was_loaded_alone(
    obj: bpf.Object, name: str, kind: type[UProbe]
) -> None:
    program = obj.program(name, kind)
    program.load()
    link = program.attach()
    assert program.links == (link,)
    assert fires(obj, name)


@pytest.mark.parametrize(("name", "kind"), [("on_entry", UProbe), ("on_return", URetProbe)])
def test_without_a_section_the_caller_must_say_where(obj: bpf.Object, name: str, kind: type[UProbe]) -> None:
    obj.load()
    with pytest.raises(TypeError, match="needs the path, and a symbol or offset"):
        obj.program("nowhere", UProbe).attach()
    with kind.from_id(obj.programs[name].id) as found:
        with pytest.raises(TypeError, match="needs the path, and a symbol or offset"):
            found.attach()
        with pytest.raises(TypeError, match="are of a path"):
            found.attach(symbol="getpgid")
        with pytest.raises(TypeError, match="symbol or offset must say where"):
            found.attach("libc.so.6")
        link = found.attach("libc.so.6", symbol="getpgid")
        assert found.links == (link,)
        assert fires(obj, name)
    eventually(lambda: not fires(obj, name))


@pytest.mark.kernel("6.6", "the offset in a link's info")
def test_an_offset_counts_from_the_file_or_from_the_symbol(
    obj: bpf.Object, program: UProbe, tmp_path: Path
) -> None:
    with attach_uprobe(program, "libc.so.6", symbol="getpgid") as by_symbol:
        offset = by_symbol.info().offset  # type: ignore[attr-defined]
    with attach_uprobe(program, Path(libc()), offset=offset) as by_offset:
        assert by_offset.info().offset == offset  # type: ignore[attr-defined]
        assert fires(obj)
    eventually(lambda: not fires(obj))
    # Not in the C library: inside an instruction a probe spoils it, and for every process.
    path = tmp_path / "library.so"
    path.write_bytes(library_with_functions(b"once"))
    with attach_uprobe(program, os.fsencode(path), symbol="once") as by_symbol:
        start = by_symbol.info().offset  # type: ignore[attr-defined]
    with attach_uprobe(program, os.fsencode(path), symbol="once", offset=1) as inside:
        assert inside.info().offset == start + 1  # type: ignore[attr-defined]
    with attach_uretprobe(program, libc(), offset=offset):
        assert fires(obj)


def test_a_process_limits_it(obj: bpf.Object, either: UProbe) -> None:
    with attach_uprobe(either, "libc.so.6", symbol="getpgid", pid=0):
        assert fires(obj)
    with attach_uprobe(either, "libc.so.6", symbol="getpgid", pid=os.getpid()):
        assert fires(obj)
    eventually(lambda: not fires(obj))
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other,
        attach_uprobe(either, "libc.so.6", symbol="getpgid", pid=other.pid),
    ):
        assert not fires(obj)


def test_a_process_that_is_not_there_is_named(either: UProbe) -> None:
    with pytest.raises(bpf.BpfError, match="no process 2147483647"):
        attach_uprobe(either, "libc.so.6", symbol="getpgid", pid=2**31 - 1)


def test_a_reference_counter_counts_the_attachments(either: UProbe, tmp_path: Path) -> None:
    page = mmap.PAGESIZE
    path = tmp_path / "code"
    path.write_bytes(bytes(2 * page))
    with path.open("rb") as file:
        code = mmap.mmap(file.fileno(), page, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
        data = mmap.mmap(file.fileno(), page, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE, offset=page)
    with code, data:

        def counter() -> int:
            return int(struct.unpack_from("=H", data, 8)[0])

        with attach_uprobe(either, path, offset=16, reference_counter_offset=page + 8) as link:
            assert counter() == 1
            if not older_than("6.17"):
                assert link.info().reference_counter_offset == page + 8  # type: ignore[attr-defined]
        eventually(lambda: counter() == 0)


# --- attach modes --------------------------------------------------------------------------


def own_events() -> list[str]:
    """The events in tracefs that libbpf made for this process."""
    lines = Path("/sys/kernel/tracing/uprobe_events").read_text().splitlines()
    return [line for line in lines if f"/libbpf_{os.getpid()}_" in line]


def test_the_modes_are_libbpfs() -> None:
    for mode in ProbeAttachMode:
        assert mode == getattr(bpf.lib, f"PROBE_ATTACH_MODE_{mode.name}")


@pytest.mark.needs("tracefs", "attach_mode")
def test_a_legacy_probe_lives_in_tracefs_and_is_no_link(obj: bpf.Object, either: UProbe) -> None:
    for attach in (attach_uprobe, attach_uretprobe):
        link = attach(either, "libc.so.6", symbol="getpgid", attach_mode=ProbeAttachMode.LEGACY)
        assert not link.is_bpf_link
        assert len(own_events()) == 1
        assert fires(obj)
        link.close()
        assert own_events() == []
        assert not fires(obj)


@pytest.mark.needs("tracefs", "attach_mode")
def test_a_forked_child_leaves_the_parents_probe_alone(obj: bpf.Object, program: UProbe) -> None:
    with attach_uprobe(program, "libc.so.6", symbol="getpgid", attach_mode=ProbeAttachMode.LEGACY) as link:
        child = os.fork()
        if child == 0:
            link.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert fires(obj)


@pytest.mark.needs("attach_mode")
def test_a_perf_probe_is_no_link(obj: bpf.Object, either: UProbe) -> None:
    with attach_uprobe(either, "libc.so.6", symbol="getpgid", attach_mode=ProbeAttachMode.PERF) as link:
        assert type(link) is PerfEventLink
        assert not link.is_bpf_link
        assert fires(obj)
        with pytest.raises(bpf.NotSupportedError):
            link.info()
    assert not fires(obj)


@pytest.mark.needs("attach_mode")
def test_a_link_can_be_insisted_on(obj: bpf.Object, either: UProbe) -> None:
    if older_than("5.15"):
        with pytest.raises(bpf.NotSupportedError, match=r"Links of perf events came with Linux 5\.15"):
            attach_uprobe(either, "libc.so.6", symbol="getpgid", attach_mode=ProbeAttachMode.LINK)
        return
    with attach_uprobe(either, "libc.so.6", symbol="getpgid", attach_mode=ProbeAttachMode.LINK) as link:
        assert link.is_bpf_link
        assert fires(obj)


def test_an_attach_mode_is_taken_or_libbpf_says_since_when(either: UProbe) -> None:
    if requirements.attach_mode():
        attach_uprobe(either, "libc.so.6", symbol="getpgid", attach_mode=ProbeAttachMode.PERF).close()
        return
    with pytest.raises(bpf.NotSupportedError, match=r"attach_mode came with libbpf 1\.2"):
        attach_uprobe(either, "libc.so.6", symbol="getpgid", attach_mode=ProbeAttachMode.PERF)


# --- cookies -------------------------------------------------------------------------------


def test_a_cookie_reaches_the_program_or_the_kernel_says_since_when(obj: bpf.Object) -> None:
    program = obj.program("with_cookie", UProbe)
    if older_than("5.15"):
        obj.load()
        program = obj.program("on_entry", UProbe)
        with pytest.raises(bpf.NotSupportedError, match=r"Cookies of perf events came with Linux 5\.15"):
            program.attach("libc.so.6", symbol="getpgid", cookie=1)
        return
    program.autoload = True
    obj.load()
    with UProbe.from_fd(program.fd) as found:
        for cookie, origin in ((2**64 - 1, program), (5, found)):
            with attach_uprobe(origin, "libc.so.6", symbol="getpgid", cookie=cookie) as link:
                os.getpgid(0)
                assert obj.variables["cookie"].value == cookie
                if not older_than("6.9"):
                    assert link.info().cookie == cookie  # type: ignore[attr-defined]
            eventually_unwritten(obj.variables["cookie"], lambda: os.getpgid(0))


# --- what is not there ---------------------------------------------------------------------


def test_a_library_that_is_not_there_is_not_found(either: UProbe) -> None:
    with pytest.raises(bpf.NotFoundError, match=r"no 'libnone\.so\.6' in LD_LIBRARY_PATH") as caught:
        attach_uprobe(either, "libnone.so.6", symbol="getpgid")
    assert any("prog 'on_entry': failed to resolve" in line for line in caught.value.messages)
    assert "carrier" not in str(caught.value)
    with pytest.raises(bpf.NotFoundError, match="no 'no-such-program' in PATH"):
        attach_uprobe(either, "no-such-program", symbol="main")


def test_a_file_that_is_not_there_is_not_found(either: UProbe) -> None:
    for where in ({"symbol": "getpgid"}, {"offset": 64}):
        with pytest.raises(bpf.NotFoundError, match="There is no file '/nonexistent'"):
            attach_uprobe(either, "/nonexistent", **where)


def test_a_symbol_that_is_not_there_is_not_found(obj: bpf.Object, either: UProbe) -> None:
    with pytest.raises(bpf.NotFoundError, match=r"'libc\.so\.6' has no function 'no_such_function'"):
        attach_uprobe(either, "libc.so.6", symbol="no_such_function")


def test_what_the_section_names_and_is_not_there_is_not_found(obj: bpf.Object) -> None:
    obj.programs["missing"].autoload = True
    obj.load()
    with pytest.raises(bpf.NotFoundError, match=r"'libc\.so\.6' has no function 'no_such_function'"):
        obj.program("missing", UProbe).attach()


def test_a_file_that_is_no_elf_has_no_symbols(either: UProbe, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("no ELF file")
    for wrong in (path, tmp_path):
        with pytest.raises(bpf.FormatError, match=f"ELF file, which '{wrong}' is not"):
            attach_uprobe(either, wrong, symbol="main")


def test_an_offset_that_is_not_in_the_file_says_so(either: UProbe, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("short")
    for wrong, offset in ((path, 1 << 20), (tmp_path, 16)):
        with pytest.raises(bpf.BpfError, match="a regular file, and an offset inside it"):
            attach_uprobe(either, wrong, offset=offset)


def test_a_symbol_of_several_functions_says_so(either: UProbe, tmp_path: Path) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(library_with_functions(b"once", b"twice", b"twice"))
    with pytest.raises(bpf.BpfError, match=r"Several functions of .* are called 'twice'") as caught:
        attach_uprobe(either, path, symbol="twice")
    assert not isinstance(caught.value, bpf.FormatError)
    attach_uprobe(either, path, symbol="once").close()


def library_with_functions(*names: bytes) -> bytes:
    """An ELF library whose symbol table has functions of these names, 8 bytes of code each."""
    code = b"\x90" * (8 * len(names))
    strings = b"\0" + b"\0".join(names) + b"\0"
    symbols = bytes(24)
    at = 1
    for index, name in enumerate(names):
        symbols += struct.pack("<IBBHQQ", at, 2, 0, 1, 64 + 8 * index, 8)
        at += len(name) + 1
    starts = [64, 64 + len(code), 64 + len(code) + len(symbols)]
    end = starts[2] + len(strings)
    sections = bytes(64)
    sections += struct.pack("<IIQQQQIIQQ", 0, 1, 6, starts[0], starts[0], len(code), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, starts[1], len(symbols), 3, len(names) + 1, 1, 24)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, starts[2], len(strings), 0, 0, 1, 0)
    header = struct.pack("<4sBBB9xHHI", b"\x7fELF", 2, 1, 1, 3, 62, 1)
    header += struct.pack("<QQQIHHHHHH", 0, 0, end, 0, 64, 0, 0, 64, 4, 3)
    return header + code + symbols + strings + sections


# --- what cannot be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({}, TypeError, "symbol or offset"),
        ({"symbol": ""}, ValueError, "symbol"),
        ({"symbol": "a\0b"}, ValueError, "NUL"),
        ({"symbol": 1}, TypeError, "symbol"),
        ({"offset": -1}, OverflowError, "offset"),
        ({"offset": 2**64}, OverflowError, "offset"),
        ({"offset": 1.0}, TypeError, "offset"),
        ({"symbol": "getpgid", "pid": -1}, OverflowError, "pid"),
        ({"symbol": "getpgid", "pid": "1"}, TypeError, "pid"),
        ({"symbol": "getpgid", "cookie": 2**64}, OverflowError, "cookie"),
        ({"symbol": "getpgid", "cookie": 1, "attach_mode": 1}, ValueError, "only a link takes a cookie"),
        ({"symbol": "getpgid", "cookie": 1, "attach_mode": 2}, ValueError, "only a link takes a cookie"),
        ({"symbol": "getpgid", "attach_mode": 9}, ValueError, "ProbeAttachMode"),
        ({"symbol": "getpgid", "reference_counter_offset": 2**32}, OverflowError, "reference_counter"),
        (
            {"symbol": "getpgid", "reference_counter_offset": 2, "attach_mode": 1},
            ValueError,
            "reference_counter",
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    program: UProbe, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        attach_uprobe(program, "libc.so.6", **options)


def test_a_path_that_cannot_be_is_refused(program: UProbe) -> None:
    with pytest.raises(ValueError, match="empty"):
        attach_uprobe(program, "", symbol="x")
    with pytest.raises(ValueError, match="NUL"):
        attach_uprobe(program, "a\0b", symbol="x")
    with pytest.raises(TypeError):
        attach_uprobe(program, 1, symbol="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="white space"):
        attach_uprobe(program, "/tmp/x y", offset=1, attach_mode=ProbeAttachMode.LEGACY)


def test_a_return_is_probed_from_the_entry(obj: bpf.Object) -> None:
    with pytest.raises(ValueError, match="from its entry"):
        attach_uretprobe(obj.programs["on_return"], "libc.so.6", symbol="getpgid", offset=1)


def test_a_program_of_another_kind_is_refused(bpf_object: Find) -> None:
    with (
        bpf.Object.open(bpf_object("kprobe")) as kprobe,
        pytest.raises(bpf.ProgramTypeError, match="TRACE_KPROBE_MULTI, by another function"),
    ):
        attach_uprobe(kprobe.programs["many"], "libc.so.6", symbol="getpgid")
    with (
        bpf.Object.open(bpf_object("spine")) as spine,
        pytest.raises(bpf.ProgramTypeError, match="of type XDP, not KPROBE"),
    ):
        attach_uprobe(spine.programs["pass"], "libc.so.6", symbol="getpgid")
    with pytest.raises(TypeError, match="a program is attached"):
        attach_uprobe(None, "libc.so.6", symbol="getpgid")  # type: ignore[arg-type]
