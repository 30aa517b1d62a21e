# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Uprobes of many functions at once."""

from __future__ import annotations

import errno
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
from pylibbpf.link import Link, UProbeMultiLink, attach_uprobe_multi
from pylibbpf.link.info import UProbeMultiInfo
from pylibbpf.programs import UProbe, UProbeMulti, UProbeSession
from tests.conftest import eventually
from tests.link.harness import LinkConformance, older_than
from tests.link.test_uprobe import libc, library_with_functions

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "uprobe", "libbpf_1_3")

Find = Callable[[str], Path]


class TestUProbeMulti(LinkConformance):
    object, program = "uprobe_multi", "on_entry"
    kind, link_class = UProbeMulti, UProbeMultiLink
    since = "6.6"
    flags = 0

    def attach(self, program: Any, where: Any) -> Link:
        return attach_uprobe_multi(program, "libc.so.6", "getpgi?")

    def trigger(self, where: Any) -> None:
        os.getpgid(0)

    def check(self, info: Any, where: Any) -> None:
        assert type(info) is UProbeMultiInfo
        if older_than("6.8"):
            assert (info.count, info.offsets) == (None, None)
            return
        assert (info.count, info.flags, info.pid) == (1, self.flags, None)
        assert info.path
        assert info.offsets
        assert os.path.samefile(info.path, libc())
        assert len(info.offsets) == 1
        assert info.offsets[0] > 0
        assert info.cookies == info.reference_counter_offsets == (0,)


class TestURetProbeMulti(TestUProbeMulti):
    program = "on_return"
    flags = 1

    def attach(self, program: Any, where: Any) -> Link:
        return attach_uprobe_multi(program, "libc.so.6", symbols=["getpgid"], on_return=True)


class TestUProbeSession(TestUProbeMulti):
    object, program, kind = "uprobe_session", "on_both", UProbeSession  # type: ignore[assignment]
    since = "6.13"

    def attach(self, program: Any, where: Any) -> Link:
        return attach_uprobe_multi(program, "libc.so.6", "getpgi?", session=True)


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/uprobe_multi.bpf.c, not yet loaded, counting this process."""
    with bpf.Object.open(bpf_object("uprobe_multi")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


@pytest.fixture
def program(obj: bpf.Object) -> UProbeMulti:
    obj.load()
    return obj.program("on_entry", UProbeMulti)


def runs(obj: bpf.Object, name: str = "on_entry") -> int:
    """How often one call of getpgid runs a program."""
    before = obj.variables[f"{name}_runs"].value
    os.getpgid(0)
    return int(obj.variables[f"{name}_runs"].value - before)


# --- where it attaches ---------------------------------------------------------------------


@pytest.mark.needs("uprobe_multi")
@pytest.mark.parametrize("name", ["on_entry", "on_return"])
def test_the_section_decides_or_the_caller(obj: bpf.Object, name: str) -> None:
    obj.load()
    program = obj.program(name, UProbeMulti)
    for attach in (program.attach, lambda: program.attach(libc(), "getpgi?")):
        link = attach()
        assert program.links == (link,)
        assert link.info().flags == (name == "on_return")  # type: ignore[attr-defined]
        assert runs(obj, name) == 1
        link.close()
        eventually(lambda: runs(obj, name) == 0)


@pytest.mark.needs("uprobe_multi", "prepare")
@pytest.mark.parametrize("name", ["on_entry", "on_return"])
def test_the_section_decides_for_a_program_that_was_loaded_alone(obj: bpf.Object, name: str) -> None:
    program = obj.program(name, UProbeMulti)
    program.load()
    link = program.attach()
    assert program.links == (link,)
    assert link.info().flags == (name == "on_return")  # type: ignore[attr-defined]
    assert runs(obj, name) == 1


def test_without_a_section_the_caller_must_say_where(obj: bpf.Object) -> None:
    obj.load()
    with pytest.raises(TypeError, match="needs the path, and a pattern, symbols or offsets"):
        obj.program("with_cookie", UProbeMulti).attach()
    with UProbeMulti.from_id(obj.programs["on_entry"].id) as found:
        with pytest.raises(TypeError, match="needs the path, and a pattern, symbols or offsets"):
            found.attach(pid=0)
        with pytest.raises(TypeError, match="are of a path"):
            found.attach(pattern="getpgid")


@pytest.mark.needs("uprobe_multi")
@pytest.mark.kernel("6.8", "the offsets in a link's info")
def test_symbols_and_offsets_name_the_same_functions(obj: bpf.Object, program: UProbeMulti) -> None:
    names = ["getppid", "getpgid"]
    with attach_uprobe_multi(program, "libc.so.6", symbols=names, cookies=[3, 2**64 - 1]) as by_symbol:
        info = by_symbol.info()
        assert isinstance(info, UProbeMultiInfo)
        assert info.cookies == (3, 2**64 - 1)
        assert info.offsets is not None
        os.getppid()
        assert runs(obj) == 1
    eventually(lambda: runs(obj) == 0)
    with attach_uprobe_multi(program, Path(libc()), offsets=info.offsets) as by_offset:
        assert by_offset.info().offsets == info.offsets  # type: ignore[attr-defined]
        assert runs(obj) == 1
    for name, offset in zip(names, info.offsets, strict=True):
        with attach_uprobe_multi(program, os.fsencode(libc()), name) as by_pattern:
            assert by_pattern.info().offsets == (offset,)  # type: ignore[attr-defined]


@pytest.mark.needs("uprobe_multi")
def test_symbols_of_a_file_with_a_symbol_table_are_found(program: UProbeMulti, tmp_path: Path) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(library_with_functions(b"once", b"other", b"twice", b"twice"))
    with attach_uprobe_multi(program, path, symbols=["other", "once"]) as link:
        if not older_than("6.8"):
            assert link.info().offsets == (72, 64)  # type: ignore[attr-defined]
    with pytest.raises(bpf.BpfError, match="Several functions of"):
        attach_uprobe_multi(program, path, symbols=["once", "twice"])


@pytest.mark.needs("uprobe_multi")
def test_a_process_limits_it(obj: bpf.Object, program: UProbeMulti) -> None:
    for pid in (0, os.getpid()):
        with attach_uprobe_multi(program, "libc.so.6", "getpgid", pid=pid) as link:
            assert runs(obj) == 1
            if not older_than("6.8"):
                assert link.info().pid == os.getpid()  # type: ignore[attr-defined]
        eventually(lambda: runs(obj) == 0)
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other,
        attach_uprobe_multi(program, "libc.so.6", "getpgid", pid=other.pid),
    ):
        assert runs(obj) == 0


@pytest.mark.needs("uprobe_multi")
def test_reference_counters_count_the_attachments(program: UProbeMulti, tmp_path: Path) -> None:
    page = mmap.PAGESIZE
    path = tmp_path / "code"
    path.write_bytes(bytes(2 * page))
    with path.open("rb") as file:
        code = mmap.mmap(file.fileno(), page, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
        data = mmap.mmap(file.fileno(), page, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE, offset=page)
    with code, data:

        def counters() -> tuple[int, ...]:
            return struct.unpack_from("=2H", data, 8)

        with attach_uprobe_multi(
            program, path, offsets=[16, 32], reference_counter_offsets=[page + 8, page + 10]
        ) as link:
            assert counters() == (1, 1)
            if not older_than("6.8"):
                assert link.info().reference_counter_offsets == (page + 8, page + 10)  # type: ignore[attr-defined]
        eventually(lambda: counters() == (0, 0))


@pytest.mark.needs("uprobe_multi")
def test_cookies_reach_the_program(obj: bpf.Object) -> None:
    program = obj.program("with_cookie", UProbeMulti)
    program.autoload = True
    obj.load()
    with UProbeMulti.from_fd(program.fd) as found:
        for origin in (program, found):
            with attach_uprobe_multi(origin, "libc.so.6", symbols=["getppid", "getpgid"], cookies=[7, 8]):
                os.getpgid(0)
                assert obj.variables["cookie"].value == 8
                os.getppid()
                assert obj.variables["cookie"].value == 7


@pytest.mark.kernel("6.13", "uprobe sessions")
def test_a_session_runs_on_entry_and_on_return(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("uprobe_session")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        obj.load()
        program = obj.program("on_both", UProbeSession)
        for attach in (program.attach, lambda: program.attach("libc.so.6", symbols=["getpgid"])):
            with attach():
                assert runs(obj, "on_both") == 2
            eventually(lambda: runs(obj, "on_both") == 0)


# --- what is not there ---------------------------------------------------------------------


@pytest.mark.needs("uprobe_multi")
def test_a_file_that_is_not_there_is_not_found(program: UProbeMulti) -> None:
    for where in ({"pattern": "x*"}, {"symbols": ["x"]}, {"offsets": [64]}):
        with pytest.raises(bpf.NotFoundError, match="There is no file '/nonexistent'"):
            attach_uprobe_multi(program, "/nonexistent", **where)
        for name in ("libnone.so.6", "no-such-program"):
            with pytest.raises(bpf.NotFoundError, match=f"There is no (file )?'{name}'"):
                attach_uprobe_multi(program, name, **where)


@pytest.mark.needs("uprobe_multi")
def test_a_program_is_found_by_its_name(program: UProbeMulti, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "tool"
    path.write_bytes(library_with_functions(b"once"))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    attach_uprobe_multi(program, "tool", symbols=["once"]).close()
    attach_uprobe_multi(program, "tool", "on*").close()


@pytest.mark.needs("uprobe_multi")
def test_a_function_that_is_not_there_is_not_found(obj: bpf.Object) -> None:
    obj.programs["missing"].autoload = True
    obj.load()
    program = obj.programs["on_entry"]
    for attach in (
        obj.program("missing", UProbeMulti).attach,
        lambda: attach_uprobe_multi(program, "libc.so.6", "no_such_func*"),
        lambda: attach_uprobe_multi(program, "libc.so.6", symbols=["getpgid", "no_such_func"]),
    ):
        with pytest.raises(bpf.NotFoundError, match=r"has no function '.*no_such_func"):
            attach()


@pytest.mark.needs("uprobe_multi")
def test_a_symbol_of_several_functions_says_so(program: UProbeMulti, tmp_path: Path) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(library_with_functions(b"once", b"twice", b"twice"))
    with pytest.raises(bpf.BpfError, match=r"Several functions of .* are called so: give offsets") as caught:
        attach_uprobe_multi(program, path, symbols=["once", "twice"])
    assert caught.value.errno == errno.EADDRNOTAVAIL
    attach_uprobe_multi(program, path, symbols=["once"]).close()


@pytest.mark.needs("uprobe_multi")
def test_a_file_that_is_no_elf_has_no_symbols(program: UProbeMulti, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("no ELF file")
    for where in ({"pattern": "x*"}, {"symbols": ["x"]}):
        with pytest.raises(bpf.FormatError, match=f"ELF file, which '{path}' is not"):
            attach_uprobe_multi(program, path, **where)


@pytest.mark.needs("uprobe_multi")
def test_a_place_that_is_not_in_the_file_says_so(program: UProbeMulti, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("short")
    for wrong in (path, tmp_path):
        with pytest.raises(bpf.BpfError, match="must be a regular one, with an instruction at each offset"):
            attach_uprobe_multi(program, wrong, offsets=[1 << 20])


@pytest.mark.needs("uprobe_multi")
def test_a_process_that_is_not_there_is_named(program: UProbeMulti) -> None:
    with pytest.raises(bpf.BpfError, match="no process 2147483647"):
        attach_uprobe_multi(program, "libc.so.6", "getpgid", pid=2**31 - 1)


# --- what cannot be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({}, ValueError, "exactly one of pattern, symbols and offsets"),
        ({"pattern": "x", "symbols": ["x"]}, ValueError, "exactly one"),
        ({"pattern": ""}, ValueError, "pattern must not be empty"),
        ({"pattern": "a\0b"}, ValueError, "NUL"),
        ({"symbols": []}, ValueError, "symbols must not be empty"),
        ({"symbols": "getpgid"}, TypeError, "symbols must be a sequence"),
        ({"symbols": ["x", ""]}, ValueError, "none is empty"),
        ({"symbols": ["x", "x"]}, ValueError, "stands there once"),
        ({"symbols": [1]}, TypeError, "symbol"),
        ({"offsets": [-1]}, OverflowError, "offset"),
        ({"offsets": ["1"]}, TypeError, "offset"),
        ({"pattern": "x", "cookies": [1]}, ValueError, "cookies are for a list"),
        ({"symbols": ["x"], "cookies": [1, 2]}, ValueError, "one for each of symbols: 2 for 1"),
        ({"symbols": ["x"], "cookies": [2**64]}, OverflowError, "cookies"),
        ({"pattern": "x", "reference_counter_offsets": [1]}, ValueError, "are for a list"),
        ({"symbols": ["x"], "reference_counter_offsets": []}, ValueError, "one for each"),
        ({"pattern": "x", "pid": -1}, OverflowError, "pid"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    program: UProbeMulti, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        attach_uprobe_multi(program, "libc.so.6", **options)


def test_a_program_of_another_kind_is_refused(obj: bpf.Object, bpf_object: Find) -> None:
    with pytest.raises(bpf.ProgramTypeError, match="'one' is not for many functions at once"):
        attach_uprobe_multi(obj.program("one", UProbe), "libc.so.6", "getpgid")
    with pytest.raises(bpf.ProgramTypeError, match="it makes no session"):
        attach_uprobe_multi(obj.program("on_entry", UProbeMulti), "libc.so.6", "getpgid", session=True)
    with (
        bpf.Object.open(bpf_object("uprobe_session")) as session,
        pytest.raises(ValueError, match="on_return is for others"),
    ):
        attach_uprobe_multi(session.programs["on_both"], "libc.so.6", "getpgid", on_return=True)


@pytest.mark.needs("uprobe_multi")
def test_a_program_that_was_loaded_for_one_function_is_refused_by_the_kernel(obj: bpf.Object) -> None:
    obj.programs["one"].autoload = True
    obj.load()
    with (
        UProbeMulti.from_fd(obj.programs["one"].fd) as found,
        pytest.raises(bpf.BpfError, match="must have been loaded for many functions at once"),
    ):
        attach_uprobe_multi(found, "libc.so.6", "getpgid")
