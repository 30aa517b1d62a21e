# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What every attach function refuses, before the kernel sees it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf import link
from pylibbpf.programs import FEntry, Iter, RawTracePoint, SocketFilter

Find = Callable[[str], Path]

# A struct_ops map is attached, not a program.
FUNCTIONS = sorted(set(filter(lambda name: name.startswith("attach_"), link.__all__)) - {"attach_struct_ops"})


def attach(name: str, program: Any) -> link.Link:
    """Calls an attach function with a program, and nonsense for all else: the program is looked at first."""
    function = getattr(link, name)
    wanted = list(inspect.signature(function).parameters.values())[1:]
    needed = [parameter.name for parameter in wanted if parameter.default is parameter.empty]
    return function(program, **dict.fromkeys(needed, "nonsense"))  # type: ignore[no-any-return]


@pytest.fixture
def filter_program(bpf_object: Find) -> Iterator[SocketFilter]:
    """A loaded program that no link is made for."""
    with bpf.Object.load_file(bpf_object("plain")) as obj:
        yield obj.program("nothing", SocketFilter)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_program_is_refused(name: str) -> None:
    for thing in (None, 3, "program"):
        with pytest.raises(TypeError, match="a program is attached, not"):
            attach(name, thing)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "attach_raw_link"])
def test_a_program_of_another_kind_is_refused(
    name: str, filter_program: SocketFilter, spine: bpf.Object
) -> None:
    other: bpf.Program = filter_program
    if name in ("attach_socket_filter", "attach_reuseport"):
        spine.load()
        other = spine.programs["tasks"]
    with pytest.raises(
        bpf.ProgramTypeError, match=rf"program '{other.name}' is of type {other.type.name}, not"
    ):
        attach(name, other)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_closed_program_is_refused(name: str, filter_program: SocketFilter) -> None:
    filter_program.close()
    with pytest.raises(bpf.ClosedError, match="program 'nothing' is closed"):
        attach(name, filter_program)


@pytest.fixture
def spine(bpf_object: Find) -> Iterator[bpf.Object]:
    with bpf.Object.open(bpf_object("spine")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


@pytest.mark.needs("prepare")
def test_an_unknown_kernel_function_is_named(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("functions")) as obj:
        program = obj.program("entered", FEntry)
        program.autoload = True
        with pytest.raises(bpf.NotFoundError, match="nonesuch_function"):
            program.set_attach_target("nonesuch_function")
        with pytest.raises(bpf.NotFoundError, match=r"nonesuch_function.*\n.*no such func"):
            program.load("nonesuch_function")


def test_an_unknown_target_of_a_section_is_named(bpf_object: Find) -> None:
    expected = "find the attach target 'nonesuch' of program 'walker'"
    with bpf.Object.open(bpf_object("unknown")) as obj, pytest.raises(bpf.NotFoundError, match=expected):
        obj.load()


def test_a_closed_link_does_nothing(spine: bpf.Object, bpffs: Path) -> None:
    spine.load()
    closed = spine.program("raw_tracepoint", RawTracePoint).attach()
    closed.close()
    for use in (
        lambda: closed.pin(bpffs / "link"),
        lambda: closed.update(spine.programs["raw_tracepoint"]),
        closed.info,
        closed.detach,
        closed.fileno,
        closed.__enter__,
    ):
        with pytest.raises(bpf.ClosedError):
            use()
    assert not (bpffs / "link").exists()


def test_a_closed_iterator_opens_no_file(spine: bpf.Object) -> None:
    spine.load()
    closed = spine.program("tasks", Iter).attach()
    closed.close()
    with pytest.raises(bpf.ClosedError):
        closed.open()


def test_update_to_a_closed_program_is_refused(spine: bpf.Object) -> None:
    spine.load()
    with spine.program("tasks", Iter).attach() as attached:
        other = spine.programs["other_tasks"]
        other.close()
        with pytest.raises(bpf.ClosedError, match="'other_tasks' is closed"):
            attached.update(other)
        with attached.open() as file:
            assert file.read().startswith(b"first ")
