# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Iterators: the files that run them, and the targets that narrow their walk."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import CgroupIterOrder
from pylibbpf.link import IterLink, Link, attach_iter
from pylibbpf.maps import HashMap
from pylibbpf.programs import Iter
from tests import requirements
from tests.link.harness import LinkConformance, Subject
from tests.link.places import new_cgroup

Find = Callable[[str], Path]


class _IterConformance(LinkConformance):
    object, kind, link_class = "iterators", Iter, IterLink
    updatable = True
    target: str

    def fires(self, subject: Subject, where: Any, link: Link, name: str = "") -> bool:
        if link.closed:
            return False
        assert isinstance(link, IterLink)
        with link.open("r") as file:
            lines = file.read().splitlines()
        words = 1 if name else 2
        return bool(lines) and all(len(line.split()) == words for line in lines)

    def check(self, info: Any, where: Any) -> None:
        assert info.target_name == self.target


class TestTaskIter(_IterConformance):
    program, replacement, target = "tasks", "task_ids", "task"

    def attach(self, program: Any, where: Any) -> Link:
        return attach_iter(program)


class TestThreadIter(TestTaskIter):
    """Of one thread."""

    since = "6.1"

    def attach(self, program: Any, where: Any) -> Link:
        return attach_iter(program, tid=os.getpid())

    def check(self, info: Any, where: Any) -> None:
        super().check(info, where)
        assert info.tid == os.getpid()


class TestMapIter(_IterConformance):
    program, replacement, target = "elements", "keys", "bpf_map_elem"
    since = "5.9"

    @pytest.fixture
    def where(self, _loaded: bpf.Object) -> Any:
        walked = _loaded.map("walked", HashMap)
        walked.update({1: 10, 2: 20})
        return walked

    def attach(self, program: Any, where: Any) -> Link:
        return attach_iter(program, map=where)

    def check(self, info: Any, where: Any) -> None:
        super().check(info, where)
        assert info.map_id == where.id


@pytest.fixture
def cgroup(cgroup_file_system: Path) -> Iterator[Path]:
    """A cgroup with two children."""
    path = new_cgroup(cgroup_file_system)
    children = [path / "first", path / "second"]
    for directory in children:
        directory.mkdir()
    yield path
    for directory in (*children, path):
        directory.rmdir()


class TestCgroupIter(_IterConformance):
    program, replacement, target = "cgroup_levels", "cgroups", "cgroup"
    since = "6.1"

    @pytest.fixture
    def where(self, cgroup: Path) -> Any:
        return cgroup

    def attach(self, program: Any, where: Any) -> Link:
        return attach_iter(program, cgroup=where)

    def check(self, info: Any, where: Any) -> None:
        super().check(info, where)
        assert info.cgroup_id == where.stat().st_ino
        assert info.cgroup_order == CgroupIterOrder.DESCENDANTS_PRE


# --- what a target narrows ----------------------------------------------------------------


@pytest.fixture
def iterators(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of iterators, of which `load` loads those that it is given the names of."""
    with bpf.Object.open(bpf_object("iterators")) as obj:
        yield obj


def load(obj: bpf.Object, name: str) -> Iter:
    obj.programs[name].autoload = True
    obj.load()
    return obj.program(name, Iter)


def lines_of(link: IterLink) -> list[str]:
    with link.open("r") as file:
        return str(file.read()).splitlines()


def test_a_map_iterator_walks_the_elements_of_its_map(iterators: bpf.Object) -> None:
    program = load(iterators, "elements")
    iterators.map("walked", HashMap).update({1: 10, 2: 20})
    iterators.map("other", HashMap).update({3: 30})
    assert sorted(lines_of(program.attach(map=iterators.maps["walked"]))) == ["1 10", "2 20"]
    assert lines_of(program.attach(map=iterators.maps["other"].fd)) == ["3 30"]


def test_a_map_iterator_without_a_map_says_that_it_needs_one(iterators: bpf.Object) -> None:
    program = load(iterators, "elements")
    with pytest.raises(TypeError, match="'elements' walks the elements of a map: give map="):
        program.attach()


def test_a_map_iterator_holds_its_map(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("iterators")) as obj:
        program = load(obj, "elements")
        obj.map("walked", HashMap).update({1: 10})
        link = program.take_link(program.attach(map=obj.maps["walked"]))
    with link:
        assert lines_of(link) == ["1 10"]


def test_an_iterator_that_takes_no_map_refuses_one(iterators: bpf.Object) -> None:
    program = load(iterators, "tasks")
    with pytest.raises(bpf.BpfError, match="other iterators take no map"):
        program.attach(map=iterators.maps["walked"])
    assert program.links == ()


@pytest.mark.kernel("6.1", "iterators over the tasks of one process")
def test_a_task_iterator_walks_one_thread_or_one_process(iterators: bpf.Object) -> None:
    program, pid = load(iterators, "tasks"), os.getpid()
    started, ended = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        ended.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    started.wait()
    pidfd = os.pidfd_open(pid)
    try:
        both = {f"{pid} {pid}", f"{pid} {thread.native_id}"}
        assert lines_of(program.attach(tid=thread.native_id or 0)) == [f"{pid} {thread.native_id}"]
        assert both <= set(lines_of(program.attach(pid=pid)))
        assert {line.split()[0] for line in lines_of(program.attach(pid=pid))} == {str(pid)}
        assert {line.split()[0] for line in lines_of(program.attach(pidfd=pidfd))} == {str(pid)}
    finally:
        os.close(pidfd)
        ended.set()
        thread.join()


@pytest.mark.kernel("6.1", "iterators over the tasks of one process")
def test_a_file_iterator_walks_the_files_of_one_process(iterators: bpf.Object) -> None:
    with open("/dev/null") as file:
        file_number = file.fileno()
        lines = lines_of(load(iterators, "files").attach(pid=os.getpid()))
    assert f"{os.getpid()} {file_number}" in lines
    assert {line.split()[0] for line in lines} == {str(os.getpid())}


@pytest.mark.parametrize("target", ["tid", "pid", "pidfd"])
def test_a_task_target_that_a_kernel_would_ignore_is_refused(iterators: bpf.Object, target: str) -> None:
    program = load(iterators, "tasks")
    value = os.pidfd_open(os.getpid()) if target == "pidfd" else os.getpid()
    try:
        if requirements.kernel_version() >= (6, 1):
            program.attach(**{target: value})  # type: ignore[arg-type]
        else:
            with pytest.raises(bpf.NotSupportedError, match=r"6\.1"):
                program.attach(**{target: value})  # type: ignore[arg-type]
            assert program.links == ()
    finally:
        if target == "pidfd":
            os.close(value)


@pytest.mark.kernel("6.1", "cgroup iterators")
def test_a_cgroup_iterator_walks_in_the_order_that_was_asked(iterators: bpf.Object, cgroup: Path) -> None:
    program = load(iterators, "cgroups")
    own, first, second = (str(path.stat().st_ino) for path in (cgroup, cgroup / "first", cgroup / "second"))
    walk = {
        order: lines_of(program.attach(cgroup=cgroup, order=order))
        for order in (
            CgroupIterOrder.SELF_ONLY,
            CgroupIterOrder.DESCENDANTS_PRE,
            CgroupIterOrder.DESCENDANTS_POST,
            CgroupIterOrder.ANCESTORS_UP,
        )
    }
    assert walk[CgroupIterOrder.SELF_ONLY] == [own]
    assert walk[CgroupIterOrder.DESCENDANTS_PRE][0] == own
    assert walk[CgroupIterOrder.DESCENDANTS_POST][-1] == own
    assert set(walk[CgroupIterOrder.DESCENDANTS_PRE]) == {own, first, second}
    assert walk[CgroupIterOrder.ANCESTORS_UP][0] == own
    assert len(walk[CgroupIterOrder.ANCESTORS_UP]) == 2
    fd = os.open(cgroup, os.O_RDONLY)
    try:
        assert lines_of(program.attach(cgroup=fd, order=CgroupIterOrder.SELF_ONLY)) == [own]
    finally:
        os.close(fd)


def test_targets_exclude_each_other(iterators: bpf.Object) -> None:
    program = load(iterators, "tasks")
    with pytest.raises(ValueError, match="tid and pid exclude each other"):
        program.attach(tid=1, pid=1)
    with pytest.raises(ValueError, match="above 0"):
        program.attach(tid=-1)


def test_a_target_that_is_not_there_is_refused(iterators: bpf.Object, tmp_path: Path) -> None:
    program = load(iterators, "tasks")
    with pytest.raises(bpf.NotFoundError, match="nonesuch"):
        program.attach(cgroup=tmp_path / "nonesuch")
    with pytest.raises(bpf.BpfError):
        program.attach(cgroup=tmp_path)
    with open("/dev/null") as file:
        with pytest.raises(TypeError, match="is no BPF map"):
            program.attach(map=file.fileno())
        with pytest.raises(TypeError, match="is no pidfd"):
            program.attach(pidfd=file.fileno())
    with pytest.raises(TypeError, match="an fd"):
        program.attach(map="walked")  # type: ignore[arg-type]


@pytest.mark.kernel("6.1", "iterators over the tasks of one process")
def test_a_thread_that_is_gone_is_refused(iterators: bpf.Object) -> None:
    program = load(iterators, "tasks")
    child = subprocess.Popen(["true"])
    child.wait()
    link = program.attach(tid=child.pid)
    assert lines_of(link) == []
