# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching without a link, anchors, and what is attached to a hook."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import AttachFlags, AttachType
from pylibbpf.link import (
    After,
    Anchor,
    Before,
    Head,
    Replace,
    Tail,
    attach_raw_link,
    query,
    raw_attach_program,
    raw_detach_program,
)
from pylibbpf.link.anchor import lend_place
from pylibbpf.maps import SockHash
from tests.conftest import eventually
from tests.link.harness import older_than
from tests.link.places import Cgroup, Namespace

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "cgroup2", "libbpf_1_3")

INGRESS, EGRESS = AttachType.CGROUP_INET_INGRESS, AttachType.CGROUP_INET_EGRESS
TCX = AttachType.TCX_INGRESS
MULTI = AttachFlags.ALLOW_MULTI
Find = Callable[[str], Path]
Three = tuple[bpf.Program, bpf.Program, bpf.Program]


@pytest.fixture
def packets(bpf_object: Find) -> Iterator[Three]:
    """Three programs for the egress of a cgroup."""
    with bpf.Object.load_file(bpf_object("cgroup")) as obj:
        names = ("on_egress", "other_egress", "third_egress")
        yield tuple(obj.programs[name] for name in names)  # type: ignore[misc]


@pytest.fixture
def frames(bpf_object: Find) -> Iterator[Three]:
    """Three programs for an interface."""
    with bpf.Object.load_file(bpf_object("ordered")) as obj:
        yield tuple(obj.programs.values())  # type: ignore[misc]


def attached(target: Any, attach_type: AttachType = EGRESS) -> list[int]:
    """The ids of the programs of a hook, in order."""
    return [program.id for program in query(target, attach_type).programs]


# --- cgroups, which every kernel of the matrix has ------------------------------------------


def test_what_is_attached_stays_until_it_is_detached(packets: Three, own_cgroup: Cgroup) -> None:
    program, other, _ = packets
    raw_attach_program(own_cgroup.path, program, EGRESS, flags=MULTI)
    raw_attach_program(own_cgroup.path, other, EGRESS, flags=MULTI)
    assert attached(own_cgroup.path) == [program.id, other.id]
    with pytest.raises(bpf.ExistsError, match="attached there already"):
        raw_attach_program(own_cgroup.path, program, EGRESS, flags=MULTI)
    raw_detach_program(own_cgroup.path, program, EGRESS)
    assert attached(own_cgroup.path) == [other.id]
    with pytest.raises(bpf.NotFoundError, match="The program is not attached there"):
        raw_detach_program(own_cgroup.path, program, EGRESS)
    raw_detach_program(own_cgroup.path, other, EGRESS)
    assert attached(own_cgroup.path) == []


def test_a_program_that_has_a_hook_for_itself_is_detached_by_name_only(
    packets: Three, own_cgroup: Cgroup
) -> None:
    program, other, _ = packets
    raw_attach_program(own_cgroup.path, program, EGRESS)
    # The kernel would detach whatever is there.
    with pytest.raises(bpf.NotFoundError, match="The program is not attached there"):
        raw_detach_program(own_cgroup.path, other, EGRESS)
    assert attached(own_cgroup.path) == [program.id]
    raw_attach_program(own_cgroup.path, other, EGRESS)
    assert attached(own_cgroup.path) == [other.id]
    with pytest.raises(bpf.PermissionDeniedError, match="attached with other flags"):
        raw_attach_program(own_cgroup.path, program, EGRESS, flags=MULTI)
    raw_detach_program(own_cgroup.path, other, EGRESS)


def test_a_target_is_a_path_an_fd_or_an_object_with_one(packets: Three, own_cgroup: Cgroup) -> None:
    program = packets[0]
    fd = os.open(own_cgroup.path, os.O_RDONLY)
    for target in (own_cgroup.path, str(own_cgroup.path), fd):
        raw_attach_program(target, program, EGRESS, flags=MULTI)
        assert attached(target) == [program.id]
        raw_detach_program(target, program, EGRESS)
    os.close(fd)


def test_replace_puts_a_program_in_the_place_of_another(packets: Three, own_cgroup: Cgroup) -> None:
    first, second, third = packets
    raw_attach_program(own_cgroup.path, first, EGRESS, flags=MULTI)
    raw_attach_program(own_cgroup.path, second, EGRESS, flags=MULTI)
    raw_attach_program(own_cgroup.path, third, EGRESS, anchor=Replace(first), flags=MULTI)
    assert attached(own_cgroup.path) == [third.id, second.id]
    with pytest.raises(bpf.NotFoundError, match="What the anchor names is not attached there"):
        raw_attach_program(own_cgroup.path, first, EGRESS, anchor=Replace(first), flags=MULTI)
    with pytest.raises(bpf.NotFoundError, match="The program is not attached there"):
        raw_detach_program(own_cgroup.path, first, EGRESS)
    raw_attach_program(own_cgroup.path, first, EGRESS, anchor=Replace(third.id), flags=MULTI)
    assert attached(own_cgroup.path) == [first.id, second.id]
    with pytest.raises(bpf.BpfError, match=r"AttachFlags\.ALLOW_MULTI: add it to flags"):
        raw_attach_program(own_cgroup.path, third, EGRESS, anchor=Replace(first))
    raw_detach_program(own_cgroup.path, first, EGRESS)
    raw_detach_program(own_cgroup.path, second, EGRESS)


def test_what_a_link_attached_is_not_detached_without_it(packets: Three, own_cgroup: Cgroup) -> None:
    program = packets[0]
    with attach_raw_link(program, own_cgroup.path, EGRESS):
        with pytest.raises(bpf.NotFoundError, match="or by a link, which is closed instead"):
            raw_detach_program(own_cgroup.path, program, EGRESS)
        assert attached(own_cgroup.path) == [program.id]


def test_a_program_of_another_kind_is_refused(packets: Three, frames: Three, own_cgroup: Cgroup) -> None:
    with pytest.raises(bpf.BpfError, match="of another kind than CGROUP_INET_EGRESS takes"):
        raw_attach_program(own_cgroup.path, frames[0], EGRESS, flags=MULTI)
    with pytest.raises(TypeError, match="a program is attached, not int"):
        raw_attach_program(own_cgroup.path, 3, EGRESS)  # type: ignore[arg-type]
    with pytest.raises(bpf.BpfError, match="no directory of a cgroup v2"):
        raw_attach_program("/tmp", packets[0], EGRESS)
    with pytest.raises(bpf.BpfError, match="no directory of a cgroup v2"):
        query("/tmp", EGRESS)
    with pytest.raises(bpf.NotFoundError):
        query("/tmp/no/such/directory", EGRESS)


# --- query ----------------------------------------------------------------------------------


def test_query_tells_the_flags_of_a_cgroup(packets: Three, own_cgroup: Cgroup) -> None:
    program = packets[0]
    assert query(own_cgroup.path, EGRESS).programs == ()
    with attach_raw_link(program, own_cgroup.path, EGRESS):
        found = query(own_cgroup.path, EGRESS)
        assert found.flags == MULTI
        assert [attached.id for attached in found.programs] == [program.id]
        # What the kernel does not tell is None.
        assert found.programs[0].flags == (None if older_than("6.0") else MULTI)
        assert found.programs[0].link_id is None
        assert (found.revision is None) == older_than("6.17")


def test_an_effective_query_tells_the_programs_of_the_cgroups_above(
    packets: Three, own_cgroup: Cgroup
) -> None:
    below = own_cgroup.path / "below"
    below.mkdir()
    with attach_raw_link(packets[0], own_cgroup.path, EGRESS), attach_raw_link(packets[1], below, EGRESS):
        assert attached(below) == [packets[1].id]
        effective = [program.id for program in query(below, EGRESS, effective=True).programs]
        assert set(effective) >= {packets[0].id, packets[1].id}
    below.rmdir()


def test_query_tells_many_programs(packets: Three, own_cgroup: Cgroup) -> None:
    links = [attach_raw_link(packets[index % 3], own_cgroup.path, EGRESS) for index in range(60)]
    assert attached(own_cgroup.path) == [packets[index % 3].id for index in range(60)]
    for link in links:
        link.close()
    eventually(lambda: attached(own_cgroup.path) == [])


# --- interfaces, whose programs have an order -------------------------------------------------


@pytest.fixture
def loopback(namespace: Namespace) -> Callable[[Callable[[], Any]], Any]:
    """Calls a function where the interface "lo" is the tests' own, and nothing is attached to it."""
    eventually(lambda: namespace.run(lambda: attached("lo", TCX)) == [])
    return namespace.run


@pytest.mark.needs("tcx")
def test_anchors_say_where_a_program_goes(frames: Three, loopback: Callable[..., Any]) -> None:
    first, second, third = frames

    def order(*anchors: Anchor | None) -> list[int]:
        """What order the programs get from these anchors."""
        raw_attach_program("lo", second, TCX)
        for program, anchor in zip((first, third), anchors, strict=True):
            raw_attach_program("lo", program, TCX, anchor=anchor)
        found = attached("lo", TCX)
        for id in found:
            with bpf.Program.from_id(id) as program:
                raw_detach_program("lo", program, TCX)
        return found

    wanted = [first.id, second.id, third.id]
    assert loopback(lambda: order(Head(), Tail())) == wanted
    assert loopback(lambda: order(Head(), None)) == wanted
    assert loopback(lambda: order(Before(second), After(second))) == wanted
    assert loopback(lambda: order(Before(second.id), After(second.id))) == wanted
    assert loopback(lambda: order(After(second), Before(first))) == [second.id, third.id, first.id]


@pytest.mark.needs("tcx")
def test_an_anchor_may_be_a_link(frames: Three, loopback: Callable[..., Any]) -> None:
    first, second, third = frames

    def run() -> None:
        with attach_raw_link(second, "lo", TCX) as link:
            raw_attach_program("lo", first, TCX, anchor=Before(link))
            raw_attach_program("lo", third, TCX, anchor=After(link.id, is_link=True))
            found = query(socket.if_nametoindex("lo"), TCX)
            assert [(program.id, program.link_id) for program in found.programs] == [
                (first.id, 0),
                (second.id, link.id),
                (third.id, 0),
            ]
            raw_detach_program("lo", first, TCX, anchor=Before(link))
            with pytest.raises(bpf.BpfError, match="The program is not where the anchor says"):
                raw_detach_program("lo", third, TCX, anchor=Before(link))
            raw_detach_program("lo", third, TCX, anchor=After(link))
            with pytest.raises(bpf.BpfError, match=r"close the link instead|or by a link"):
                raw_detach_program("lo", second, TCX)
            with pytest.raises(bpf.NotFoundError, match="What the anchor names is not attached there"):
                raw_attach_program("lo", first, TCX, anchor=Before(third))

    loopback(run)


@pytest.mark.needs("tcx")
def test_replace_leaves_one_program(frames: Three, loopback: Callable[..., Any]) -> None:
    first, second, _ = frames

    def run() -> None:
        raw_attach_program("lo", first, TCX)
        raw_attach_program("lo", second, TCX, anchor=Replace(first))
        assert attached("lo", TCX) == [second.id]
        with pytest.raises(bpf.NotFoundError, match="is not attached there"):
            raw_detach_program("lo", first, TCX)
        with pytest.raises(bpf.ExistsError, match="attached there already"):
            raw_attach_program("lo", second, TCX)
        raw_detach_program("lo", second, TCX)

    loopback(run)


@pytest.mark.needs("tcx")
def test_a_stale_revision_is_refused_with_what_to_do(frames: Three, loopback: Callable[..., Any]) -> None:
    first, second, _ = frames

    def run() -> None:
        revision = query("lo", TCX).revision
        assert revision is not None
        raw_attach_program("lo", first, TCX, expected_revision=revision)
        for change, program in ((raw_attach_program, second), (raw_detach_program, first)):
            with pytest.raises(bpf.BpfError, match=r"ESTALE[^$]*query\(\) it again"):
                change("lo", program, TCX, expected_revision=revision)
        assert attached("lo", TCX) == [first.id]
        raw_detach_program("lo", first, TCX, expected_revision=query("lo", TCX).revision or 0)

    loopback(run)


def test_an_interface_that_there_is_not_is_called_so(frames: Three) -> None:
    with pytest.raises(bpf.NotFoundError, match="no interface of that name"):
        raw_attach_program("nothing0", frames[0], TCX)
    if older_than("6.6"):
        with pytest.raises(bpf.NotSupportedError, match=r"TCX_INGRESS"):
            raw_attach_program("lo", frames[0], TCX)
        return
    with pytest.raises(bpf.BpfError, match="no interface with index 2147483647"):
        raw_attach_program(2**31 - 1, frames[0], TCX)


# --- hooks without an order -------------------------------------------------------------------


def test_a_hook_without_an_order_says_so(packets: Three, own_cgroup: Cgroup, bpf_object: Find) -> None:
    if older_than("6.17"):
        for options in ({"anchor": Head()}, {"expected_revision": 7}):
            with pytest.raises(bpf.NotSupportedError, match=r"cgroups since 6\.17"):
                raw_attach_program(own_cgroup.path, packets[0], EGRESS, **options)
            with pytest.raises(bpf.NotSupportedError, match=r"cgroups since 6\.17"):
                raw_detach_program(own_cgroup.path, packets[0], EGRESS, **options)
    with bpf.Object.open(bpf_object("sockmap")) as obj:
        obj.programs["anywhere"].autoload = False
        obj.load()
        program, sockets = obj.programs["on_message"], obj.map("sockets", SockHash)
        hook = AttachType.SK_MSG_VERDICT
        raw_attach_program(sockets, program, hook)
        raw_detach_program(sockets, program, hook)
        with pytest.raises(bpf.NotFoundError, match="The program is not attached there"):
            raw_detach_program(sockets, program, hook)
        with pytest.raises(bpf.BpfError):
            raw_attach_program(sockets, program, hook, anchor=Tail())


# --- anchors ------------------------------------------------------------------------------------


def test_the_bits_of_anchors_are_no_flags(packets: Three, own_cgroup: Cgroup) -> None:
    for bit in ("REPLACE", "BEFORE", "AFTER", "ID", "LINK"):
        for change in (raw_attach_program, raw_detach_program):
            with pytest.raises(ValueError, match=rf"has the bits of an anchor.*{bit}.*use anchor="):
                change(own_cgroup.path, packets[0], EGRESS, flags=AttachFlags[bit] | MULTI)
    with pytest.raises(ValueError, match="Replace is for attaching"):
        raw_detach_program(own_cgroup.path, packets[0], EGRESS, anchor=Replace(packets[1]))
    with pytest.raises(TypeError, match=r"anchor is Head\(\), Tail\(\)"):
        raw_attach_program(own_cgroup.path, packets[0], EGRESS, anchor="head")  # type: ignore[arg-type]


def test_an_anchor_is_at_a_program_a_link_or_an_id(packets: Three, own_cgroup: Cgroup) -> None:
    for kind in (Before, After, Replace):
        for wrong in ("program", None, 1.5, True):
            with pytest.raises(TypeError):
                kind(wrong)  # type: ignore[arg-type]
        for number in (0, -1, 1 << 32):
            with pytest.raises(ValueError, match="an id is a positive number"):
                kind(number)
    with pytest.raises(TypeError, match="is_link says what an id is of"):
        Before(packets[0], is_link=True)
    with attach_raw_link(packets[0], own_cgroup.path, EGRESS) as link:
        with pytest.raises(TypeError, match=r"link\.update\(program\)"):
            Replace(link)  # type: ignore[arg-type]
        with lend_place(Before(link), 0) as place:
            assert place == (AttachFlags.BEFORE | AttachFlags.LINK, link.fd, 0, 0)
        with lend_place(After(link.id, is_link=True), 0) as place:
            assert place == (AttachFlags.AFTER | AttachFlags.LINK, 0, link.id, 0)
    with lend_place(Replace(packets[0].id), MULTI) as place:
        assert place.flags == AttachFlags.REPLACE | MULTI
        assert place.replace_fd > 0
    with pytest.raises(bpf.NotFoundError), lend_place(Replace((1 << 32) - 1), 0):
        pass
    closed = Before(link)
    with pytest.raises(bpf.ClosedError), lend_place(closed, 0):
        pass
