# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The carrier: how libbpf attaches a program that it has no struct of."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.link import attach_uprobe
from pylibbpf.programs import UProbe
from tests.conftest import eventually, open_fds, program_ids

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "uprobe")

Find = Callable[[str], Path]


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    with bpf.Object.open(bpf_object("uprobe")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        obj.load()
        yield obj


@pytest.fixture
def program(obj: bpf.Object) -> Iterator[UProbe]:
    """A program that came from the kernel, under a name that no other program of this machine has."""
    info = obj.programs["on_entry"].info()
    with UProbe.from_program_info(info, f"carried_{os.getpid()}") as program:
        yield program


def is_loaded(name: str, since: set[int]) -> bool:
    """Whether the kernel has a program of that name besides older ones: the carrier has its program's."""
    for id in program_ids() - since:
        with contextlib.suppress(bpf.NotFoundError), bpf.Program.from_id(id) as found:
            if found.name == name[:15]:
                return True
    return False


def runs(obj: bpf.Object) -> int:
    """How often one call of getpgid runs the program."""
    before = obj.variables["on_entry_runs"].value
    os.getpgid(0)
    return int(obj.variables["on_entry_runs"].value - before)


def test_nothing_of_it_stays_behind(obj: bpf.Object, program: UProbe) -> None:
    fds, before = open_fds(), program_ids()
    with attach_uprobe(program, "libc.so.6", symbol="getpgid") as link:
        eventually(lambda: not is_loaded(program.name, before))
        # The link, the perf event, and nothing else.
        assert len(open_fds().keys() - fds.keys()) == (2 if link.is_bpf_link else 1)
    assert open_fds() == fds


def test_nothing_of_it_stays_behind_after_a_failure(program: UProbe) -> None:
    fds, before = open_fds(), program_ids()
    for symbol in ("no_such_function", "nor_this"):
        with pytest.raises(bpf.NotFoundError):
            attach_uprobe(program, "libc.so.6", symbol=symbol)
    assert open_fds() == fds
    eventually(lambda: not is_loaded(program.name, before))


def test_its_fds_are_close_on_exec(program: UProbe) -> None:
    fds = open_fds().keys()
    with attach_uprobe(program, "libc.so.6", symbol="getpgid"):
        assert not any(os.get_inheritable(fd) for fd in open_fds().keys() - fds)


def test_the_program_may_be_closed_then(obj: bpf.Object, program: UProbe) -> None:
    with attach_uprobe(program, "libc.so.6", symbol="getpgid"):
        program.close()
        assert runs(obj) == 1
    eventually(lambda: runs(obj) == 0)


@pytest.mark.parametrize("name", ["", "two words", "größer", "a" * 300, "carrier"])
def test_any_name_will_do(obj: bpf.Object, name: str) -> None:
    info = obj.programs["on_entry"].info()
    with UProbe.from_program_info(info, name) as program:
        with attach_uprobe(program, "libc.so.6", symbol="getpgid"):
            assert runs(obj) == 1
        with pytest.raises(bpf.NotFoundError, match=f"program '{name}'"):
            attach_uprobe(program, "libc.so.6", symbol="no_such_function")


def test_a_program_that_libbpf_loaded_needs_none(
    obj: bpf.Object, program: UProbe, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "pylibbpf"):
        with attach_uprobe(obj.programs["on_entry"], "libc.so.6", symbol="getpgid"):
            assert runs(obj) == 1
        assert "'carrier'" not in caplog.text
        attach_uprobe(program, "libc.so.6", symbol="getpgid").close()
        assert f"sec 'carrier': found program '{program.name}'" in caplog.text


def test_threads_attach_side_by_side(obj: bpf.Object, program: UProbe) -> None:
    count = 8
    with ThreadPoolExecutor(count) as pool:
        links = list(pool.map(lambda _: attach_uprobe(program, "libc.so.6", symbol="getpgid"), range(count)))
    assert runs(obj) == count
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda link: link.close(), links))
    eventually(lambda: runs(obj) == 0)
