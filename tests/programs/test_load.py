# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs loaded alone: out of a prepared object, for a target of the caller's, unloaded, loaded again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.link import attach_iter, attach_raw_tracepoint, attach_tracing
from pylibbpf.programs import BtfTracePoint, FEntry, FExit, Iter, RawTracePoint, SocketFilter, Xdp
from tests.conftest import eventually, eventually_unmoved, program_ids

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "prepare")

Find = Callable[[str], Path]


@pytest.fixture
def spine(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/spine.bpf.c, opened, set to count this process."""
    with bpf.Object.open(bpf_object("spine")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


def fires(obj: bpf.Object, counter: str) -> bool:
    before = obj.variables[counter].value
    os.getpgid(0)
    return bool(obj.variables[counter].value > before)


def test_a_program_is_loaded_without_its_siblings(spine: bpf.Object) -> None:
    tasks = spine.program("tasks", Iter)
    tasks.load()
    assert tasks.info().name == "tasks"
    assert spine.maps[".rodata"].id in tasks.info().map_ids
    with pytest.raises(bpf.StateError, match="not loaded"):
        spine.programs["other_tasks"].fd
    with tasks.attach() as link, link.open() as file:
        # Numbers of processes wrap: another thread of this one may come first.
        assert f"first {os.getpid()}".encode() in file.read().splitlines()


def test_the_rest_of_the_object_is_loaded_after_it(spine: bpf.Object) -> None:
    tasks = spine.program("tasks", Iter)
    tasks.load()
    id = tasks.id
    spine.load()
    assert tasks.id == id
    assert spine.programs["other_tasks"].id != id


def test_load_unload_load(spine: bpf.Object) -> None:
    program = spine.program("btf_tracepoint", BtfTracePoint)
    with pytest.raises(bpf.StateError, match="not loaded"):
        program.unload()
    program.load()
    with pytest.raises(bpf.StateError, match="loaded already"):
        program.load()
    link = program.attach()
    assert fires(spine, "btf_tracepoint_runs")
    program.unload()
    assert link.closed
    eventually(lambda: not fires(spine, "btf_tracepoint_runs"))
    with pytest.raises(bpf.StateError, match="not loaded"):
        program.unload()
    program.load()
    program.attach()
    assert fires(spine, "btf_tracepoint_runs")


def test_a_program_of_a_loaded_object_is_unloaded_and_loaded_again(spine: bpf.Object) -> None:
    spine.load()
    program = spine.program("btf_tracepoint", BtfTracePoint)
    id = program.id
    program.unload()
    eventually(lambda: id not in program_ids())
    with pytest.raises(FileNotFoundError):
        BtfTracePoint.from_id(id)
    program.load()
    program.attach()
    assert fires(spine, "btf_tracepoint_runs")


def test_a_taken_link_survives_the_unload(spine: bpf.Object) -> None:
    program = spine.program("btf_tracepoint", BtfTracePoint)
    program.load()
    with program.take_link(program.attach()):
        program.unload()
        assert fires(spine, "btf_tracepoint_runs")
    eventually(lambda: not fires(spine, "btf_tracepoint_runs"))


def test_the_caller_names_the_target(spine: bpf.Object) -> None:
    program = spine.program("btf_tracepoint", BtfTracePoint)
    with bpf.Btf.from_sys_fs() as btf:
        program.load("sys_exit", btf)
    assert program.attach().info().name == "sys_exit"  # type: ignore[attr-defined]


def test_an_unknown_target_is_not_found_and_others_are_offered(spine: bpf.Object) -> None:
    program = spine.program("btf_tracepoint", BtfTracePoint)
    with pytest.raises(FileNotFoundError, match="btf_trace_sys_enter"):
        program.load("sys_entre")
    with pytest.raises(bpf.NotFoundError, match="module 'nonesuch'"):
        program.load("nonesuch:sys_enter")
    with bpf.Btf.vmlinux() as btf, pytest.raises(bpf.NotFoundError):
        program.load("sys_entre", btf)
    program.load()


def test_a_rejected_program_can_be_told_from_its_log(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("rejected")) as obj:
        program = obj.program("unchecked", RawTracePoint)
        with pytest.raises(bpf.VerifierError) as caught:
            program.load()
        assert "map_value_or_null" in caught.value.reason
        assert "return (int)*value" in caught.value.source


# --- programs of any origin -----------------------------------------------------------


def test_programs_from_the_kernel_are_attached_by_their_fd(spine: bpf.Object, bpffs: Path) -> None:
    spine.load()
    for name in ("btf_tracepoint", "tasks", "raw_tracepoint"):
        spine.programs[name].pin(bpffs / name)
    with BtfTracePoint.from_pin(bpffs / "btf_tracepoint") as program:
        with attach_tracing(program):
            assert fires(spine, "btf_tracepoint_runs")
        eventually(lambda: not fires(spine, "btf_tracepoint_runs"))
        program.attach()
        assert fires(spine, "btf_tracepoint_runs")
    eventually(lambda: not fires(spine, "btf_tracepoint_runs"))
    with RawTracePoint.from_pin(bpffs / "raw_tracepoint") as raw:
        with attach_raw_tracepoint(raw, "sys_enter"):
            assert fires(spine, "raw_tracepoint_runs")
        with pytest.raises(TypeError, match="needs the name"):
            raw.attach()
        with pytest.raises(bpf.NotFoundError, match="without its category"):
            raw.attach("raw_syscalls/sys_enter")
    with Iter.from_pin(bpffs / "tasks") as tasks, attach_iter(tasks) as link, link.open() as file:
        assert file.read().startswith(b"first ")


def test_the_wrong_kind_of_program_is_refused_before_the_kernel_sees_it(spine: bpf.Object) -> None:
    spine.load()
    with pytest.raises(bpf.ProgramTypeError, match="is of type XDP, not TRACING"):
        attach_tracing(spine.programs["pass"])
    with pytest.raises(bpf.ProgramTypeError, match="by another function"):
        attach_tracing(spine.programs["tasks"])
    with pytest.raises(bpf.ProgramTypeError, match="is no iterator"):
        attach_iter(spine.programs["btf_tracepoint"])
    with pytest.raises(TypeError, match="a program is attached, not NoneType"):
        attach_tracing(None)  # type: ignore[arg-type]
    with (
        bpf.Program.from_id(spine.programs["btf_tracepoint"].id) as plain,
        pytest.raises(bpf.ProgramTypeError, match="does not tell where it attaches"),
    ):
        attach_tracing(plain)


@pytest.mark.kernel("6.18", "cookies in the info of raw tracepoints")
def test_a_cookie_is_echoed(spine: bpf.Object) -> None:
    spine.load()
    link = spine.program("raw_tracepoint", RawTracePoint).attach(cookie=77)
    assert link.info().cookie == 77  # type: ignore[attr-defined]


def test_a_cookie_that_a_kernel_would_ignore_is_refused(spine: bpf.Object) -> None:
    spine.load()
    program = spine.program("raw_tracepoint", RawTracePoint)
    try:
        link = program.attach(cookie=77)
    except bpf.NotSupportedError as error:
        assert "6.9" in str(error)  # noqa: PT017 - either is right, by kernel
    else:
        # 6.9 to 6.17 take it and do not tell it.
        assert link.info().cookie in (77, None)  # type: ignore[attr-defined]


# --- trampolines ------------------------------------------------------------------------


@pytest.mark.needs("fentry")
def test_fentry_and_fexit_are_loaded_for_another_function(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("tracing")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        entry, exit = obj.program("on_entry", FEntry), obj.program("on_exit", FExit)
        entry.load("bpf_fentry_test1")
        exit.load()
        assert entry.expected_attach_type == bpf.AttachType.TRACE_FENTRY
        entry.attach()
        exit.attach()
        entry.test_run()
        assert obj.variables["entries"].value == 1
        assert obj.variables["last_result"].value == 2
        entry.unload()
        eventually_unmoved(lambda: obj.variables["entries"].value, exit.test_run)
        exits = obj.variables["exits"].value
        exit.test_run()
        assert obj.variables["exits"].value == exits + 1


@pytest.mark.needs("fentry")
@pytest.mark.parametrize(
    ("name", "kind", "count"), [("on_entry", FEntry, "entries"), ("on_exit", FExit, "exits")]
)
def test_fentry_and_fexit_attach_to_a_function_of_another_program(
    bpf_object: Find, spine: bpf.Object, name: str, kind: type[FEntry | FExit], count: str
) -> None:
    spine.load()
    target = spine.program("pass", Xdp)
    with bpf.Object.open(bpf_object("tracing")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        program = obj.program(name, kind)
        with pytest.raises(bpf.NotFoundError, match="program 'pass'"):
            program.load("nonesuch", program=target)
        program.load("pass", program=target)
        program.attach()
        target.test_run(bytes(64), repeat=3)
        assert obj.variables[count].value == 3
        program.unload()
        eventually_unmoved(lambda: obj.variables[count].value, lambda: target.test_run(bytes(64)))


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_program_that_a_map_names_is_loaded_with_its_object(bpf_object: Find, in_memory: bool) -> None:
    path = bpf_object("maps_references")
    with bpf.Object.open(path.read_bytes() if in_memory else path) as obj:
        obj.programs["undo"].autoload = False
        obj.maps["congestion"].autocreate = False
        first, unnamed = obj.program("first", SocketFilter), obj.program("unnamed", SocketFilter)
        with pytest.raises(bpf.StateError, match="load the whole object first"):
            first.load()
        unnamed.load()
        obj.load()
        assert first.test_run(bytes(64)).return_value == 1
        first.unload()
        first.load()
        assert first.test_run(bytes(64)).return_value == 1
