# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Tracepoints."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import PerfEventType
from pylibbpf.link import Link, PerfEventLink, attach_tracepoint
from pylibbpf.link.info import PerfEventInfo, TracepointInfo
from pylibbpf.programs import TracePoint
from tests.conftest import ROOT, eventually, eventually_unwritten
from tests.link.harness import LinkConformance, older_than

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "tracefs")

Find = Callable[[str], Path]
EVENTS = Path("/sys/kernel/tracing/events/syscalls")


class TestTracePoint(LinkConformance):
    object, program = "tracepoint", "on_enter"
    kind, link_class = TracePoint, PerfEventLink
    link_since = "5.15"

    def attach(self, program: Any, where: Any) -> Link:
        return attach_tracepoint(program, "syscalls", "sys_enter_getpgid")

    def trigger(self, where: Any) -> None:
        os.getpgid(0)

    def check(self, info: Any, where: Any) -> None:
        if older_than("6.6"):
            assert type(info) is PerfEventInfo
            assert info.event_type is None
            return
        assert type(info) is TracepointInfo
        assert info.event_type == PerfEventType.TRACEPOINT
        assert info.name == "sys_enter_getpgid"
        assert info.cookie == (None if older_than("6.9") else 0)


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/tracepoint.bpf.c, not yet loaded, counting this process."""
    with bpf.Object.open(bpf_object("tracepoint")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


@pytest.fixture
def program(obj: bpf.Object) -> TracePoint:
    obj.load()
    return obj.program("on_enter", TracePoint)


def fires(obj: bpf.Object) -> bool:
    before = obj.variables["on_enter_runs"].value
    os.getpgid(0)
    return bool(obj.variables["on_enter_runs"].value > before)


# --- where the class attaches it -----------------------------------------------------------


def test_the_section_decides_or_the_caller(obj: bpf.Object, program: TracePoint) -> None:
    link = program.attach()
    assert program.links == (link,)
    assert fires(obj)
    link.close()
    eventually(lambda: not fires(obj))
    link = program.attach("syscalls", "sys_exit_getpgid")
    assert program.links == (link,)
    assert fires(obj)
    link.close()
    eventually(lambda: not fires(obj))


@pytest.mark.needs("prepare")
def test_the_section_decides_for_a_program_that_was_loaded_alone(obj: bpf.Object) -> None:
    program = obj.program("on_enter", TracePoint)
    program.load()
    link = program.attach()
    assert program.links == (link,)
    assert fires(obj)


def test_without_a_section_the_caller_must_say_where(obj: bpf.Object, program: TracePoint) -> None:
    with pytest.raises(TypeError, match="category and name"):
        obj.program("with_cookie", TracePoint).attach()
    with TracePoint.from_id(program.id) as found:
        with pytest.raises(TypeError, match="category and name"):
            found.attach()
        link = found.attach("syscalls", "sys_enter_getpgid")
        assert found.links == (link,)
        assert fires(obj)
    assert link.closed
    eventually(lambda: not fires(obj))
    with pytest.raises(TypeError, match="together"):
        program.attach("syscalls")


# --- cookies -------------------------------------------------------------------------------


def test_a_cookie_reaches_the_program_or_the_kernel_says_since_when(obj: bpf.Object) -> None:
    program = obj.program("with_cookie", TracePoint)
    if older_than("5.15"):
        obj.load()
        program = obj.program("on_enter", TracePoint)
        with pytest.raises(bpf.NotSupportedError, match=r"Cookies of perf events came with Linux 5\.15"):
            program.attach("syscalls", "sys_enter_getpgid", cookie=1)
        return
    program.autoload = True
    obj.load()
    with TracePoint.from_fd(program.fd) as found:
        for origin in (program, found):
            with attach_tracepoint(
                origin, "syscalls", "sys_enter_getpgid", cookie=2**64 - id(origin)
            ) as link:
                os.getpgid(0)
                assert obj.variables["cookie"].value == 2**64 - id(origin)
                if not older_than("6.9"):
                    assert link.info().cookie == 2**64 - id(origin)  # type: ignore[attr-defined]
            # The event takes the program only once.
            eventually_unwritten(obj.variables["cookie"], lambda: os.getpgid(0))


@pytest.mark.kernel("5.15", "cookies of perf events")
def test_a_cookie_goes_with_the_section_too(obj: bpf.Object, program: TracePoint) -> None:
    program.attach(cookie=7)
    assert fires(obj)


# --- what cannot be ------------------------------------------------------------------------


def test_what_is_no_tracepoint_is_not_found(program: TracePoint) -> None:
    with pytest.raises(bpf.NotFoundError, match=r"no category 'syscallz' in .*\. There is .*syscalls"):
        attach_tracepoint(program, "syscallz", "sys_enter_getpgid")
    with (
        TracePoint.from_fd(program.fd) as found,
        pytest.raises(bpf.NotFoundError, match="There is sys_enter_getpgid") as caught,
    ):
        attach_tracepoint(found, "syscalls", "sys_enter_getpgidd")
    # In libbpf's words, with the name of the user's program.
    assert any("prog 'on_enter': failed to create tracepoint" in line for line in caught.value.messages)
    assert "carrier" not in str(caught.value)


@pytest.mark.parametrize(
    ("category", "name", "error"),
    [
        ("", "x", ValueError),
        ("syscalls", "", ValueError),
        ("..", "x", ValueError),
        ("syscalls/x", "x", ValueError),
        ("syscalls", "x\0", ValueError),
        (1, "x", TypeError),
        ("syscalls", None, TypeError),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    program: TracePoint, category: Any, name: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        attach_tracepoint(program, category, name)


@pytest.mark.parametrize(("cookie", "error"), [(-1, OverflowError), (2**64, OverflowError), ("1", TypeError)])
def test_a_cookie_that_cannot_be_is_refused(program: TracePoint, cookie: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="cookie"):
        attach_tracepoint(program, "syscalls", "sys_enter_getpgid", cookie=cookie)


def test_a_program_of_another_type_is_refused(bpf_object: Find) -> None:
    with (
        bpf.Object.open(bpf_object("spine")) as spine,
        pytest.raises(bpf.ProgramTypeError, match="of type RAW_TRACEPOINT, not TRACEPOINT"),
    ):
        attach_tracepoint(spine.programs["raw_tracepoint"], "syscalls", "sys_enter_getpgid")
    with pytest.raises(TypeError, match="a program is attached"):
        attach_tracepoint(None, "syscalls", "sys_enter_getpgid")  # type: ignore[arg-type]


def test_a_program_that_is_not_loaded_or_closed_is_refused(obj: bpf.Object) -> None:
    program = obj.program("on_enter", TracePoint)
    with pytest.raises(bpf.StateError, match="not loaded"):
        attach_tracepoint(program, "syscalls", "sys_enter_getpgid")
    obj.load()
    program.close()
    with pytest.raises(bpf.ClosedError):
        attach_tracepoint(program, "syscalls", "sys_enter_getpgid")


def test_a_second_attachment_of_a_program_says_that_there_is_one(program: TracePoint) -> None:
    program.attach()
    with pytest.raises(bpf.ExistsError, match="one event only once"):
        program.attach()
    with TracePoint.from_fd(program.fd) as found, pytest.raises(bpf.ExistsError, match="one event only once"):
        attach_tracepoint(found, "syscalls", "sys_enter_getpgid")


@pytest.mark.needs("prepare")
@pytest.mark.host("each of its attachments waits for grace periods")
def test_a_tracepoint_that_is_full_says_so(bpf_object: Find) -> None:
    # The limit is one for everybody: an event that no other test attaches to, and others may have part of it.
    events = sorted(path.name for path in EVENTS.glob("sys_enter_set*id"))
    event = events[os.getpid() % len(events)]
    with contextlib.ExitStack() as stack:
        obj = stack.enter_context(bpf.Object.open(bpf_object("tracepoint")))
        program = obj.program("on_enter", TracePoint)

        def attach_until_it_is_full() -> None:
            for _ in range(65):
                program.load()
                stack.enter_context(program.take_link(program.attach("syscalls", event)))
                program.unload()

        with pytest.raises(bpf.BpfError, match="at most 64 programs"):
            attach_until_it_is_full()


def test_a_program_that_reads_beyond_the_record_is_no_matter_of_rights(obj: bpf.Object) -> None:
    program = obj.program("beyond", TracePoint)
    program.autoload = True
    obj.load()
    with TracePoint.from_fd(program.fd) as found:
        for attach in (program.attach, lambda: found.attach("syscalls", "sys_enter_getpgid")):
            with pytest.raises(bpf.BpfError, match="reads beyond what this tracepoint records") as caught:
                attach()
            assert not isinstance(caught.value, PermissionError)


def test_without_the_right_the_message_names_what_stands_in_the_way(bpf_object: Find) -> None:
    done = subprocess.run(
        [sys.executable, "-c", """
import os, sys
import pylibbpf as bpf
from pylibbpf.link import attach_tracepoint
from pylibbpf.programs import TracePoint
with bpf.Object.load_file(sys.argv[1]) as obj, TracePoint.from_fd(obj.programs["on_enter"].fd) as found:
    before = set(os.listdir("/proc/self/fd"))
    os.setresuid(65534, 65534, 65534)  # drops every capability
    for program in (obj.programs["on_enter"], found):
        try:
            attach_tracepoint(program, "syscalls", "sys_enter_getpgid")
        except bpf.PermissionDeniedError as error:
            print(error.hint)
    assert set(os.listdir("/proc/self/fd")) <= before
""", str(bpf_object("tracepoint"))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "CAP_PERFMON" in line
        assert "kernel.perf_event_paranoid is" in line
