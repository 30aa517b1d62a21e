# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on cgroups: links, and attachments without one."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf import programs
from pylibbpf.attach_types import ON_CGROUPS
from pylibbpf.enums import AttachFlags, AttachType
from pylibbpf.link import (
    After,
    Before,
    CgroupLink,
    Head,
    Link,
    Replace,
    Tail,
    attach_cgroup,
    load_pinned_cgroup,
    query,
    raw_attach_program,
    raw_detach_program,
)
from pylibbpf.programs import CgroupSkb, LsmCgroup
from tests.conftest import eventually, eventually_unmoved
from tests.link.harness import AttachmentConformance, LinkConformance, Subject, older_than
from tests.link.places import Cgroup, new_cgroup

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "cgroup2")

INGRESS, EGRESS = AttachType.CGROUP_INET_INGRESS, AttachType.CGROUP_INET_EGRESS
Find = Callable[[str], Path]


class _OnEgress(AttachmentConformance):
    object, kind, link_class = "cgroup", CgroupSkb, CgroupLink
    program, replacement = "on_egress", "other_egress"

    @pytest.fixture
    def where(self, own_cgroup: Cgroup) -> Cgroup:
        return own_cgroup

    def trigger(self, where: Cgroup) -> None:
        assert where.send()


class TestCgroup(_OnEgress, LinkConformance):
    updatable = detachable = True

    def attach(self, program: Any, where: Cgroup) -> Link:
        return attach_cgroup(program, where.path, attach_type=EGRESS)

    def check(self, info: Any, where: Cgroup) -> None:
        assert info.cgroup_id == os.stat(where.path).st_ino
        assert info.attach_type == EGRESS


@pytest.mark.kernel("6.0", "LSM programs for cgroups")
@pytest.mark.needs("lsm")
class TestLsmCgroup(LinkConformance):
    object, kind, link_class = "lsm_cgroup", LsmCgroup, CgroupLink
    program, replacement = "on_bind", "other_bind"
    updatable = detachable = True

    @pytest.fixture
    def where(self, own_cgroup: Cgroup) -> Cgroup:
        return own_cgroup

    def attach(self, program: Any, where: Cgroup) -> Link:
        return attach_cgroup(program, where.path)

    def trigger(self, where: Cgroup) -> None:
        with where.inside(), socket.socket() as own:
            own.bind(("127.0.0.1", 0))

    def check(self, info: Any, where: Cgroup) -> None:
        assert info.cgroup_id == os.stat(where.path).st_ino
        assert info.attach_type == AttachType.LSM_CGROUP


class TestWithoutLink(_OnEgress):
    def attach(self, program: Any, where: Cgroup) -> Link:
        return attach_cgroup(program, where.path, attach_type=EGRESS, legacy=True)

    def test_update_puts_in_another_program(self, subject: Subject, where: Any) -> None:
        with self.attached(subject, where) as link:
            link.update(subject.replacement)
            assert attached(where) == [subject.replacement.id]
            assert self.fires(subject, where, link, "other_egress")
            assert not self.fires(subject, where, link)
            with pytest.raises(bpf.PermissionDeniedError, match="Another program than `old`"):
                link.update(subject.program, old=subject.program)
            link.update(subject.program, old=subject.replacement)
            assert attached(where) == [subject.program.id]
        assert attached(where) == []

    def test_it_says_that_it_is_no_link(self, subject: Subject, where: Any, bpffs: Path) -> None:
        with self.attached(subject, where) as link:
            assert not link.is_bpf_link
            assert link.type is None
            for use in (lambda: link.id, link.info, link.fileno, lambda: link.pin(bpffs / "link")):
                with pytest.raises(bpf.NotSupportedError, match=r"legacy=True.*since Linux 5\.7"):
                    use()
            with pytest.raises(ValueError, match="without flags"):
                link.update(subject.program, flags=1)
            with pytest.raises(TypeError, match="a program is attached"):
                link.update(None)  # type: ignore[arg-type]
            link.detach()
            assert link.closed
        assert attached(where) == []


@pytest.mark.kernel("6.0", "LSM programs for cgroups")
@pytest.mark.needs("lsm")
def test_query_tells_the_programs_on_the_hooks_of_the_lsm(bpf_object: Find, own_cgroup: Cgroup) -> None:
    with bpf.Object.load_file(bpf_object("lsm_cgroup")) as obj:
        program = obj.program("on_bind", LsmCgroup)
        with program.attach(own_cgroup.path):
            assert attached(own_cgroup, AttachType.LSM_CGROUP) == [program.id]
        eventually(lambda: attached(own_cgroup, AttachType.LSM_CGROUP) == [])


# --- what there is, and what it does ------------------------------------------------------


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/cgroup.bpf.c, loaded."""
    with bpf.Object.load_file(bpf_object("cgroup")) as loaded:
        yield loaded


def attached(cgroup: Cgroup, attach_type: AttachType = EGRESS) -> list[int]:
    """The ids of the programs of a hook, in order."""
    return [program.id for program in query(cgroup.path, attach_type).programs]


def test_a_program_drops_packets_until_its_link_closes(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    obj.variables["drop"].value = 1
    assert own_cgroup.send()
    with obj.program("on_egress", CgroupSkb).attach(own_cgroup.path):
        assert not own_cgroup.send()
    eventually(own_cgroup.send)


def test_a_cgroup_is_a_path_an_fd_or_an_object_with_one(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    program = obj.program("on_egress", CgroupSkb)
    fd = os.open(own_cgroup.path, os.O_RDONLY)
    inode = os.fstat(fd).st_ino
    for cgroup in (own_cgroup.path, str(own_cgroup.path), os.fsencode(own_cgroup.path), fd):
        link = program.attach(cgroup)
        assert link.info().cgroup_id == inode  # type: ignore[attr-defined]
        program.detach(link)
    os.close(fd)
    with pytest.raises(TypeError, match="an fd, or an object with one"):
        program.attach(None)  # type: ignore[arg-type]


def connect_inside(cgroup: Cgroup) -> None:
    with cgroup.inside():
        client = socket.socket()
    with client, socket.create_server(("127.0.0.1", 0)) as server:
        client.connect(server.getsockname())


def make_socket_inside(cgroup: Cgroup) -> None:
    with cgroup.inside():
        socket.socket().close()


def read_inside(path: str) -> Callable[[Cgroup], None]:
    def read(cgroup: Cgroup) -> None:
        with cgroup.inside():
            Path(path).open("rb").close() if path.startswith("/dev") else Path(path).read_bytes()

    return read


@pytest.mark.parametrize(
    ("name", "kind", "trigger"),
    [
        ("on_create", programs.CgroupSock, make_socket_inside),
        ("on_connect", programs.CgroupSockAddr, connect_inside),
        ("on_tcp", programs.SockOps, connect_inside),
        ("on_sysctl", programs.CgroupSysctl, read_inside("/proc/sys/kernel/hostname")),
        ("on_device", programs.CgroupDevice, read_inside("/dev/null")),
        (
            "on_getsockopt",
            programs.CgroupSockopt,
            lambda cgroup: cgroup.sender.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
        ),
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_each_kind_attaches_where_its_section_says(
    obj: bpf.Object,
    own_cgroup: Cgroup,
    name: str,
    kind: type[programs.CgroupSkb],
    trigger: Callable[[Cgroup], None],
    legacy: bool,
) -> None:
    program, runs = obj.program(name, kind), obj.variables[f"{name}_runs"]
    link = program.attach(own_cgroup.path, legacy=legacy)
    assert list(program.links) == [link]
    trigger(own_cgroup)
    assert runs.value > 0
    program.detach(link)
    if legacy:
        before = runs.value
        trigger(own_cgroup)
        assert runs.value == before
    else:
        eventually_unmoved(lambda: runs.value, lambda: trigger(own_cgroup))


@pytest.mark.parametrize("kind", [programs.CgroupSkb, programs.CgroupSock, programs.SockOps])
@pytest.mark.needs("prepare")
def test_each_kind_loads_alone(bpf_object: Find, own_cgroup: Cgroup, kind: type[programs.CgroupSkb]) -> None:
    with bpf.Object.open(bpf_object("cgroup")) as obj:
        program = next(found for found in obj.programs.values() if type(found) is kind)
        assert isinstance(program, kind)
        program.load()
        program.attach(own_cgroup.path).close()
        with pytest.raises(bpf.StateError, match="loaded already"):
            program.load()


def test_the_classes_and_attach_cgroup_know_the_same_attach_types() -> None:
    kinds = [
        *(programs.CgroupSkb, programs.CgroupSock, programs.CgroupSockAddr, programs.CgroupSockopt),
        *(programs.CgroupSysctl, programs.CgroupDevice, programs.SockOps, programs.LsmCgroup),
    ]
    assert {kind._type: kind._attach_types for kind in kinds} == ON_CGROUPS


def test_a_section_that_says_no_direction_attaches_to_either(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    program = obj.program("either", CgroupSkb)
    with attach_cgroup(program, own_cgroup.path, attach_type=EGRESS):
        assert attached(own_cgroup) == [program.id]
    with attach_cgroup(program, own_cgroup.path):
        assert attached(own_cgroup, INGRESS) == [program.id]


def test_load_pinned_cgroup_refuses_other_kinds(obj: bpf.Object, own_cgroup: Cgroup, bpffs: Path) -> None:
    program = obj.program("on_egress", CgroupSkb)
    link = program.attach(own_cgroup.path)
    link.pin(bpffs / "link")
    with load_pinned_cgroup(bpffs / "link") as loaded:
        assert type(loaded) is CgroupLink
        assert loaded.id == link.id
    program.pin(bpffs / "program")
    with pytest.raises(TypeError, match="is a BPF prog, not a BPF link"):
        load_pinned_cgroup(bpffs / "program")
    with pytest.raises(TypeError, match="not NetNsLink"):
        bpf.link.load_pinned_netns(bpffs / "link")
    with pytest.raises(bpf.NotFoundError):
        load_pinned_cgroup(bpffs / "missing")


# --- who ends an attachment without a link --------------------------------------------------


def in_child(function: Callable[[], int]) -> int:
    """Calls a function in a forked child, and returns what it returned."""
    child = os.fork()
    if not child:
        status = 255
        try:
            status = function()
        finally:
            os._exit(status)  # never back into pytest
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_an_attachment_without_a_link_outlives_its_process(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    program = obj.program("on_egress", CgroupSkb)
    assert program.fd > 0

    def attach() -> int:
        attach_cgroup(program, own_cgroup.path, attach_type=EGRESS, legacy=True)
        return 0

    assert in_child(attach) == 0
    assert attached(own_cgroup) == [program.id]
    raw_detach_program(own_cgroup.path, program, EGRESS)
    assert attached(own_cgroup) == []


@pytest.mark.parametrize("legacy", [False, True])
def test_a_forked_child_that_closes_does_not_detach(
    obj: bpf.Object, own_cgroup: Cgroup, legacy: bool
) -> None:
    program = obj.program("on_egress", CgroupSkb)
    with attach_cgroup(program, own_cgroup.path, legacy=legacy) as link:

        def close() -> int:
            before = len(os.listdir("/proc/self/fd"))
            link.close()
            return before - len(os.listdir("/proc/self/fd"))

        # The link's fd, or those of the cgroup and the program.
        assert in_child(close) == (2 if legacy else 1)
        assert attached(own_cgroup) == [program.id]


def test_an_attachment_that_is_dropped_warns_and_is_detached(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    link = attach_cgroup(obj.program("on_egress", CgroupSkb), own_cgroup.path, legacy=True)
    with pytest.warns(RuntimeWarning, match="was dropped, and so detached"):  # noqa: PT031
        del link
        gc.collect()
    bpf._native.collect()
    assert attached(own_cgroup) == []


def test_an_attachment_that_others_ended_closes_without_a_word(
    obj: bpf.Object, own_cgroup: Cgroup, cgroup_file_system: Path
) -> None:
    program = obj.program("on_egress", CgroupSkb)
    link = program.attach(own_cgroup.path, legacy=True)
    raw_detach_program(own_cgroup.path, program, EGRESS)
    with pytest.raises(bpf.NotFoundError):
        link.update(obj.programs["other_egress"])
    link.close()
    path = new_cgroup(cgroup_file_system)
    link = program.attach(path, legacy=True)
    path.rmdir()
    link.close()


def test_a_hook_takes_a_program_once_without_a_link_and_often_by_links(
    obj: bpf.Object, own_cgroup: Cgroup
) -> None:
    program = obj.program("on_egress", CgroupSkb)
    program.attach(own_cgroup.path)
    program.attach(own_cgroup.path)
    program.attach(own_cgroup.path, legacy=True)
    assert attached(own_cgroup) == [program.id] * 3
    with pytest.raises(bpf.ExistsError, match="attached there already"):
        program.attach(own_cgroup.path, legacy=True)
    program.unload()
    eventually(lambda: attached(own_cgroup) == [])


# --- order ----------------------------------------------------------------------------------


@pytest.mark.needs("libbpf_1_3")
@pytest.mark.kernel("6.17", "an order of cgroup programs")
@pytest.mark.parametrize("legacy", [False, True])
def test_anchors_say_where_a_program_goes(obj: bpf.Object, own_cgroup: Cgroup, legacy: bool) -> None:
    first, second, third = (
        obj.program(name, CgroupSkb) for name in ("on_egress", "other_egress", "third_egress")
    )
    path, middle = own_cgroup.path, second.attach(own_cgroup.path, legacy=legacy)
    # A program that a link attached is named by its link.
    neighbours: list[tuple[Any, dict[str, bool]]] = [(middle, {})]
    neighbours += [(second, {}), (second.id, {})] if legacy else [(middle.id, {"is_link": True})]
    for neighbour, options in neighbours:
        with (
            attach_cgroup(first, path, anchor=Before(neighbour, **options), legacy=legacy),
            attach_cgroup(third, path, anchor=After(neighbour, **options), legacy=legacy),
        ):
            assert attached(own_cgroup) == [first.id, second.id, third.id]
        eventually(lambda: attached(own_cgroup) == [second.id])
    with (
        attach_cgroup(third, path, anchor=Tail(), legacy=legacy),
        attach_cgroup(first, path, anchor=Head(), legacy=legacy),
    ):
        obj.variables["order"].value = 0
        assert own_cgroup.send()
        assert obj.variables["order"].value == 123
    with pytest.raises(bpf.BpfError, match=r"What the anchor names is not attached there"):
        attach_cgroup(first, path, anchor=Before(third), legacy=legacy)


@pytest.mark.needs("libbpf_1_3")
@pytest.mark.kernel("6.17", "an order of cgroup programs")
@pytest.mark.parametrize("legacy", [False, True])
def test_a_stale_revision_is_refused_with_what_to_do(
    obj: bpf.Object, own_cgroup: Cgroup, legacy: bool
) -> None:
    program = obj.program("on_egress", CgroupSkb)
    revision = query(own_cgroup.path, EGRESS).revision
    assert revision is not None
    attach_cgroup(program, own_cgroup.path, expected_revision=revision, legacy=legacy).close()
    with pytest.raises(bpf.BpfError, match=r"ESTALE[^$]*query\(\) it again"):
        attach_cgroup(program, own_cgroup.path, expected_revision=revision, legacy=legacy)
    eventually(lambda: attached(own_cgroup) == [])


@pytest.mark.parametrize("legacy", [False, True])
def test_a_kernel_without_an_order_says_so(obj: bpf.Object, own_cgroup: Cgroup, legacy: bool) -> None:
    if not older_than("6.17"):
        return
    program = obj.program("on_egress", CgroupSkb)
    # The kernel would take the revision silently, as another field of struct bpf_attr.
    for options in ({"anchor": Head()}, {"expected_revision": 7}):
        with pytest.raises(bpf.NotSupportedError, match=r"cgroups since 6\.17"):
            attach_cgroup(program, own_cgroup.path, legacy=legacy, **options)
    assert attached(own_cgroup) == []


# --- what is refused ------------------------------------------------------------------------


def test_programs_of_other_kinds_are_refused(obj: bpf.Object, own_cgroup: Cgroup, bpf_object: Find) -> None:
    program = obj.program("on_egress", CgroupSkb)
    with pytest.raises(bpf.ProgramTypeError, match="does not attach as CGROUP_SYSCTL"):
        program.attach(own_cgroup.path, attach_type=AttachType.CGROUP_SYSCTL)
    with pytest.raises(TypeError, match="a program is attached, not str"):
        attach_cgroup("on_egress", own_cgroup.path)  # type: ignore[arg-type]
    with (
        bpf.Object.load_file(bpf_object("netns")) as other,
        pytest.raises(bpf.ProgramTypeError, match="of type SK_LOOKUP, not CGROUP_SKB or"),
    ):
        attach_cgroup(other.programs["steer"], own_cgroup.path)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_program_of_the_kernel_does_not_tell_its_hook(
    obj: bpf.Object, own_cgroup: Cgroup, legacy: bool
) -> None:
    with programs.CgroupSock.from_id(obj.programs["on_create"].id) as program:
        with pytest.raises(bpf.ProgramTypeError, match="give attach_type=, one of CGROUP_INET_SOCK_CREATE"):
            program.attach(own_cgroup.path)
        with pytest.raises(bpf.ProgramTypeError, match="was not loaded for CGROUP_INET4_POST_BIND"):
            program.attach(own_cgroup.path, attach_type=AttachType.CGROUP_INET4_POST_BIND, legacy=legacy)


@pytest.mark.parametrize("legacy", [False, True])
def test_what_is_no_cgroup_is_called_so(obj: bpf.Object, tmp_path: Path, legacy: bool) -> None:
    program = obj.program("on_egress", CgroupSkb)
    for wrong in (tmp_path, "/etc/passwd", 0):
        with pytest.raises(bpf.BpfError, match="no directory of a cgroup v2 file system"):
            program.attach(wrong, legacy=legacy)
    with pytest.raises(bpf.NotFoundError, match="attach program 'on_egress' to"):
        program.attach(tmp_path / "missing", legacy=legacy)
    with pytest.raises(ValueError, match="an fd is not negative"):
        program.attach(-1, legacy=legacy)


def test_a_program_must_be_loaded_and_open(bpf_object: Find, own_cgroup: Cgroup) -> None:
    with bpf.Object.open(bpf_object("cgroup")) as obj:
        program = obj.program("on_egress", CgroupSkb)
        for legacy in (False, True):
            with pytest.raises(bpf.StateError, match="is not loaded"):
                program.attach(own_cgroup.path, legacy=legacy)
    with pytest.raises(bpf.ClosedError):
        program.attach(own_cgroup.path)


def test_an_attachment_takes_no_others_place(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    program = obj.program("on_egress", CgroupSkb)
    other = obj.program("other_egress", CgroupSkb)
    for legacy in (False, True):
        with pytest.raises(ValueError, match=r"link\.update\(\), or raw_attach_program"):
            program.attach(own_cgroup.path, anchor=Replace(other), legacy=legacy)
        with pytest.raises(ValueError, match="has the bits of an anchor"):
            program.attach(own_cgroup.path, flags=AttachFlags.BEFORE, legacy=legacy)
    with pytest.raises(ValueError, match="raw_attach_program for ALLOW_OVERRIDE"):
        program.attach(own_cgroup.path, flags=AttachFlags.ALLOW_OVERRIDE, legacy=True)


def test_a_hook_that_one_program_has_for_itself_says_so(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    other = obj.program("other_egress", CgroupSkb)
    raw_attach_program(own_cgroup.path, other, EGRESS)
    for legacy in (False, True):
        with pytest.raises(bpf.PermissionDeniedError, match="attached with other flags"):
            obj.program("on_egress", CgroupSkb).attach(own_cgroup.path, legacy=legacy)
    raw_detach_program(own_cgroup.path, other, EGRESS)


def test_an_update_to_another_kind_says_why_it_is_refused(obj: bpf.Object, own_cgroup: Cgroup) -> None:
    program, other = obj.program("on_egress", CgroupSkb), obj.programs["on_create"]
    with pytest.raises(bpf.BpfError, match="of another type"):
        program.attach(own_cgroup.path).update(other)
    with pytest.raises(bpf.BpfError, match="of another kind"):
        program.attach(own_cgroup.path, legacy=True).update(other)
    assert attached(own_cgroup) == [program.id] * 2
    program.unload()
