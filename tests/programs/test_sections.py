# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Sections of a project's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.enums import AttachType, ProgramType
from pylibbpf.link import attach_tracepoint
from pylibbpf.programs import CgroupSkb, SocketFilter, TracePoint, Xdp, register_section

Find = Callable[[str], Path]


def kinds(path: Path) -> dict[str, str]:
    """The class of each program of an object."""
    with bpf.Object.open(path) as obj:
        return {name: type(program).__name__ for name, program in obj.programs.items()}


@pytest.mark.parametrize(
    ("section", "matching"),
    [
        ("myproject", {"bare"}),
        ("myproject/", {"packet", "on_call"}),
        ("myproject+", {"bare", "packet", "on_call"}),
        ("myproject/call+", {"on_call"}),
        ("myproject/pack", set()),
        ("myproj+", set()),
    ],
)
def test_a_section_matches_as_libbpf_matches_its_own(
    bpf_object: Find, section: str, matching: set[str]
) -> None:
    path = bpf_object("sections")
    assert set(kinds(path).values()) == {"Program"}
    with register_section(section, ProgramType.XDP):
        assert {name for name, kind in kinds(path).items() if kind == "Xdp"} == matching
    assert set(kinds(path).values()) == {"Program"}


@pytest.mark.needs("root", "vmlinux_btf", "tracefs")
def test_programs_of_registered_sections_load_attach_and_fire(bpf_object: Find) -> None:
    with ExitStack() as stack:
        stack.enter_context(register_section("myproject/packet", ProgramType.XDP))
        stack.enter_context(register_section("myproject/call/", ProgramType.TRACEPOINT))
        bare = register_section("myproject", ProgramType.SOCKET_FILTER)
        obj = stack.enter_context(bpf.Object.open(bpf_object("sections")))
        # It only says what is opened from then on.
        bare.close()
        bare.close()
        assert bare.closed
        assert repr(bare) == "<CustomSection 'myproject', SOCKET_FILTER, closed>"
        obj.program("bare", SocketFilter)
        obj.load()
        assert obj.attach() == []
        assert obj.program("packet", Xdp).test_run(bytes(64)).return_value == 2
        program, runs = obj.program("on_call", TracePoint), obj.variables["on_call_runs"]
        with attach_tracepoint(program, "syscalls", "sys_enter_getpgid"):
            os.getpgid(0)
            assert runs.value > 0


def test_the_attach_type_is_the_one_that_was_registered(bpf_object: Find) -> None:
    egress = AttachType.CGROUP_INET_EGRESS
    with (
        register_section("myproject", ProgramType.CGROUP_SKB, attach_type=egress),
        bpf.Object.open(bpf_object("sections")) as obj,
    ):
        assert obj.program("bare", CgroupSkb).expected_attach_type == egress
        assert not obj.programs["bare"].autoattach


def test_a_section_that_libbpf_knows_can_be_registered(bpf_object: Find) -> None:
    path = bpf_object("tracepoint")
    before = kinds(path)
    with register_section("tp/", ProgramType.XDP), register_section("tracepoint/", ProgramType.XDP):
        after = kinds(path)
    assert before != after
    assert set(after.values()) - set(before.values()) == {"Xdp"}
    assert kinds(path) == before


def test_the_first_that_was_registered_decides(bpf_object: Find) -> None:
    with (
        register_section("myproject+", ProgramType.XDP),
        register_section("myproject", ProgramType.SCHED_CLS),
    ):
        assert kinds(bpf_object("sections"))["bare"] == "Xdp"


def test_what_is_no_section_is_refused() -> None:
    for wrong in ("", "/", "+"):
        with pytest.raises(ValueError, match="needs a name"):
            register_section(wrong, ProgramType.XDP)
    with pytest.raises(ValueError, match="NUL"):
        register_section("a\0b", ProgramType.XDP)
    with pytest.raises(TypeError, match="must be str"):
        register_section(3, ProgramType.XDP)  # type: ignore[arg-type]
    with (
        register_section("myproject", ProgramType.XDP),
        pytest.raises(ValueError, match="registered already"),
    ):
        register_section("myproject", ProgramType.SCHED_CLS)
    with pytest.raises(ValueError, match=r"SOCK_ADDR attach in several ways.*CGROUP_INET4_BIND"):
        register_section("myproject", ProgramType.CGROUP_SOCK_ADDR)


def test_threads_register_while_others_open_and_load(bpf_object: Find) -> None:
    path = bpf_object("sections")
    done = threading.Event()

    def register() -> None:
        while not done.is_set():
            sections = [register_section(f"other{number}", ProgramType.XDP) for number in range(10)]
            for section in sections:
                section.close()

    thread = threading.Thread(target=register)
    with register_section("myproject+", ProgramType.XDP):
        thread.start()
        try:
            for _ in range(50):
                assert set(kinds(path).values()) == {"Xdp"}
        finally:
            done.set()
            thread.join()
