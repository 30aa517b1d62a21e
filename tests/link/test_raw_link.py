# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Raw links: any program on any target, in one class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import AttachType, LinkType
from pylibbpf.link import (
    CgroupLink,
    IterLink,
    Link,
    RawLink,
    attach_raw_link,
    load_pinned_iter,
    load_pinned_raw_link,
)
from pylibbpf.programs import CgroupSkb, Iter, RawTracePoint
from tests.link.harness import LinkConformance, Subject
from tests.link.places import Cgroup, Namespace

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "cgroup2")

EGRESS = AttachType.CGROUP_INET_EGRESS
Find = Callable[[str], Path]


class TestRawLink(LinkConformance):
    object, kind, link_class = "cgroup", CgroupSkb, RawLink
    program, replacement = "on_egress", "other_egress"
    updatable = detachable = True

    @pytest.fixture
    def where(self, own_cgroup: Cgroup) -> Cgroup:
        return own_cgroup

    def attach(self, program: Any, where: Cgroup) -> Link:
        return attach_raw_link(program, where.path, EGRESS)

    def trigger(self, where: Cgroup) -> None:
        assert where.send()

    def load_pinned(self, path: Path) -> Link:
        return load_pinned_raw_link(path)

    def tells(self, subject: Subject, where: Any, link: Link) -> None:
        info: Any = link.info()
        assert link.type == info.type == LinkType.CGROUP
        assert info.program_id == subject.program.id
        assert info.cgroup_id == os.stat(where.path).st_ino
        with bpf.link.from_id(link.id) as found:
            assert type(found) is CgroupLink
            assert found.info() == info


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/cgroup.bpf.c, loaded."""
    with bpf.Object.load_file(bpf_object("cgroup")) as loaded:
        yield loaded


def test_the_attach_type_is_by_default_the_programs(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    with attach_raw_link(obj.programs["on_egress"], own_cgroup.path) as link:
        assert link.info().attach_type == EGRESS  # type: ignore[attr-defined]
    with (
        bpf.Program.from_id(obj.programs["on_egress"].id) as program,
        pytest.raises(bpf.ProgramTypeError, match="give attach_type="),
    ):
        attach_raw_link(program, own_cgroup.path)


def test_an_update_is_done_only_if_the_old_program_is_attached(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    first, second = obj.programs["on_egress"], obj.programs["other_egress"]
    with attach_raw_link(first, own_cgroup.path, EGRESS) as link:
        with pytest.raises(bpf.PermissionDeniedError, match="is not the attached program"):
            link.update(second, old=second)
        link.update(second, old=first)
        assert link.info().program_id == second.id
        with pytest.raises(bpf.BpfError, match="flags are not for this link"):
            link.update(first, flags=1 << 20)


def test_a_raw_link_of_a_type_that_keeps_its_program_says_so(bpf_object: Find, bpffs: Path) -> None:
    with bpf.Object.load_file(bpf_object("spine")) as spine:
        program = spine.program("raw_tracepoint", RawTracePoint)
        program.attach().pin(bpffs / "link")
        with load_pinned_raw_link(bpffs / "link") as link:
            assert (type(link), link.type) == (RawLink, LinkType.RAW_TRACEPOINT)
            with pytest.raises(bpf.NotSupportedError, match="keep their program"):
                link.update(program)


def test_load_pinned_raw_link_refuses_what_is_no_link(
    obj: bpf.Object, own_cgroup: Cgroup, bpffs: Path
) -> None:
    obj.programs["on_egress"].pin(bpffs / "program")
    next(iter(obj.maps.values())).pin(bpffs / "map")
    for name, kind in (("program", "prog"), ("map", "map")):
        with pytest.raises(TypeError, match=f"is a BPF {kind}, not a BPF link"):
            load_pinned_raw_link(bpffs / name)
    with pytest.raises(bpf.NotFoundError):
        load_pinned_raw_link(bpffs / "missing")


def test_load_pinned_iter_refuses_other_kinds(bpf_object: Find, bpffs: Path) -> None:
    with bpf.Object.load_file(bpf_object("spine")) as spine:
        spine.program("tasks", Iter).attach().pin(bpffs / "iter")
        spine.program("raw_tracepoint", RawTracePoint).attach().pin(bpffs / "tracepoint")
        with load_pinned_iter(bpffs / "iter") as link:
            assert type(link) is IterLink
            link.open().close()
        with load_pinned_raw_link(bpffs / "iter") as raw:
            assert (type(raw), raw.type) == (RawLink, LinkType.ITER)
        with pytest.raises(TypeError, match="is of class RawTracepointLink"):
            load_pinned_iter(bpffs / "tracepoint")


def test_a_namespace_takes_a_raw_link(bpf_object: Find, namespace: Namespace) -> None:
    with (
        bpf.Object.load_file(bpf_object("netns")) as loaded,
        attach_raw_link(loaded.programs["steer"], namespace.fd) as link,
    ):
        assert link.type == LinkType.NETNS


def test_a_refusal_says_what_may_be_wrong(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    program = obj.programs["on_egress"]
    with pytest.raises(bpf.BpfError, match="makes no link of this program"):
        attach_raw_link(program, own_cgroup.path, AttachType.CGROUP_SYSCTL)
    with pytest.raises(bpf.BpfError, match="makes no link of this program"):
        attach_raw_link(program, own_cgroup.path, flags=1 << 20)
    with pytest.raises(bpf.NotFoundError):
        attach_raw_link(program, own_cgroup.path / "missing")
    with pytest.raises(TypeError):
        attach_raw_link("program", own_cgroup.path)  # type: ignore[arg-type]
