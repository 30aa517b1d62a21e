# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on maps of sockets: links, and attachments without one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import AttachType, LinkType
from pylibbpf.link import Link, SockMapLink, attach_sockmap, query
from pylibbpf.maps import HashMap, SockHash, SockMap
from pylibbpf.programs import SkMsg, SkSkb
from tests.conftest import eventually
from tests.link.harness import AttachmentConformance, LinkConformance, Subject, older_than
from tests.link.places import Connection

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]


class Sockets:
    """An empty map of sockets, and a connection whose client goes into it."""

    def __init__(self, connection: Connection) -> None:
        self.map = SockMap.create(max_entries=1)
        self.connection = connection

    def send(self) -> None:
        """Sends to the server and back. A socket gets the programs that the map has when it is put there."""
        client, server = self.connection.client, self.connection.server
        self.map[0] = client
        client.send(b"there")
        assert server.recv(10) == b"there"
        server.send(b"back")
        assert client.recv(10) == b"back"
        del self.map[0]


class _OnSockets(AttachmentConformance):
    object, link_class = "sockmap", SockMapLink
    attach_type: AttachType

    @pytest.fixture
    def where(self, connection: Connection) -> Iterator[Sockets]:
        sockets = Sockets(connection)
        yield sockets
        sockets.map.close()

    def trigger(self, where: Sockets) -> None:
        where.send()


class _ByLink(_OnSockets, LinkConformance):
    since = "6.10"
    updatable = detachable = True

    def attach(self, program: Any, where: Sockets) -> Link:
        return attach_sockmap(program, where.map, attach_type=self.attach_type)

    def check(self, info: Any, where: Sockets) -> None:
        assert info.map_id == where.map.id
        assert info.attach_type == self.attach_type


class _WithoutLink(_OnSockets):
    def attach(self, program: Any, where: Sockets) -> Link:
        return attach_sockmap(program, where.map, attach_type=self.attach_type, legacy=True)

    def test_update_puts_in_another_program(self, subject: Subject, where: Any) -> None:
        assert self.replacement is not None
        with self.attached(subject, where) as link:
            link.update(subject.replacement, old=subject.program)
            assert self.fires(subject, where, link, self.replacement)
            assert not self.fires(subject, where, link)
            with pytest.raises(bpf.PermissionDeniedError):
                link.update(subject.program, old=subject.program)
        assert not self.fires(subject, where, link, self.replacement)

    def test_it_says_that_it_is_no_link(self, subject: Subject, where: Any, bpffs: Path) -> None:
        with self.attached(subject, where) as link:
            assert not link.is_bpf_link
            for use in (lambda: link.id, link.info, link.fileno, lambda: link.pin(bpffs / "link")):
                with pytest.raises(bpf.NotSupportedError, match=r"legacy=True.*since Linux 6\.10"):
                    use()
            link.detach()
            assert link.closed
        assert not self.fires(subject, where, link)


class TestSkMsg(_ByLink):
    kind, program, replacement = SkMsg, "on_message", "other_message"
    attach_type = AttachType.SK_MSG_VERDICT


class TestSkMsgWithoutLink(_WithoutLink):
    kind, program, replacement = SkMsg, "on_message", "other_message"
    attach_type = AttachType.SK_MSG_VERDICT


class TestSkSkb(_ByLink):
    kind, program, replacement = SkSkb, "on_stream", "other_stream"
    attach_type = AttachType.SK_SKB_STREAM_VERDICT


class TestSkSkbWithoutLink(_WithoutLink):
    kind, program, replacement = SkSkb, "on_stream", "other_stream"
    attach_type = AttachType.SK_SKB_STREAM_VERDICT


# --- what it does -------------------------------------------------------------------------


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/sockmap.bpf.c, without the program that says no hook."""
    with bpf.Object.open(bpf_object("sockmap")) as loaded:
        loaded.programs["anywhere"].autoload = False
        loaded.load()
        yield loaded


def attach(program: SkMsg, sockets: SockHash[int]) -> SockMapLink:
    return program.attach(sockets, legacy=older_than("6.10"))


def test_a_dropped_message_cannot_be_sent(obj: bpf.Object, connection: Connection) -> None:
    program, sockets = obj.program("on_message", SkMsg), obj.map("sockets", SockHash)
    obj.variables["action"].value = 1
    link = attach(program, sockets)
    assert list(program.links) == [link]
    connection.client.send(b"before ")
    sockets[1] = connection.client
    with pytest.raises(PermissionError):
        connection.client.send(b"dropped")
    del sockets[1]
    connection.client.send(b"after")
    assert connection.server.recv(12, socket.MSG_WAITALL) == b"before after"


def test_a_redirected_message_arrives_elsewhere(obj: bpf.Object, connection: Connection) -> None:
    obj.variables["action"].value = 2
    sockets, other = obj.map("sockets", SockHash), Connection()
    attach(obj.program("on_message", SkMsg), sockets)
    sockets[1] = connection.client
    sockets[7] = other.server
    connection.client.send(b"redirected")
    assert other.server.recv(20) == b"redirected"
    other.close()


def test_a_kernel_without_links_names_the_way_out(obj: bpf.Object) -> None:
    if not older_than("6.10"):
        with attach_sockmap(obj.programs["on_message"], obj.maps["sockets"].fd) as link:
            assert link.type == LinkType.SOCKMAP
        return
    with pytest.raises(bpf.NotSupportedError, match=r"Linux 6\.10\. legacy=True attaches without a link"):
        obj.program("on_message", SkMsg).attach(obj.maps["sockets"])


@pytest.mark.kernel("6.10", "links of maps of sockets")
def test_a_link_and_an_attachment_exclude_each_other(obj: bpf.Object) -> None:
    program, sockets = obj.program("on_message", SkMsg), obj.map("sockets", SockHash)
    with program.attach(sockets), pytest.raises(bpf.BpfError, match="A link is attached there"):
        program.attach(sockets, legacy=True)


@pytest.mark.kernel("5.18", "queries of maps of sockets")
def test_query_tells_the_program_of_a_map(obj: bpf.Object) -> None:
    program, sockets = obj.program("on_message", SkMsg), obj.map("sockets", SockHash)
    with attach(program, sockets):
        found = query(sockets, AttachType.SK_MSG_VERDICT)
        assert [attached.id for attached in found.programs] == [program.id]
        assert found.revision is None
        assert query(sockets, AttachType.SK_SKB_STREAM_VERDICT).programs == ()
    eventually(lambda: query(sockets, AttachType.SK_MSG_VERDICT).programs == ())


def test_a_kernel_that_cannot_query_maps_says_since_when(obj: bpf.Object) -> None:
    if older_than("5.18"):
        with pytest.raises(bpf.NotSupportedError, match=r"since Linux 5\.18"):
            query(obj.maps["sockets"], AttachType.SK_MSG_VERDICT)


# --- what is refused ----------------------------------------------------------------------


def test_other_maps_are_refused(obj: bpf.Object) -> None:
    program = obj.program("on_message", SkMsg)
    with HashMap.create(key_size=4, value_size=4, max_entries=1) as plain:
        for legacy in (False, True):
            for wrong in (plain, plain.fd):
                with pytest.raises(bpf.MapTypeError, match="of type HASH, not SOCKMAP or SOCKHASH"):
                    program.attach(wrong, legacy=legacy)
            with pytest.raises(TypeError, match="is no BPF object, not a BPF map"):
                program.attach(0, legacy=legacy)
            with pytest.raises(TypeError, match="an fd, or an object with one"):
                program.attach("sockets", legacy=legacy)  # type: ignore[arg-type]


def test_programs_of_other_types_are_refused(obj: bpf.Object, bpf_object: Find) -> None:
    sockets = obj.maps["sockets"]
    with (
        bpf.Object.load_file(bpf_object("cgroup")) as other,
        pytest.raises(bpf.ProgramTypeError, match="CGROUP_SKB, not SK_MSG or SK_SKB"),
    ):
        attach_sockmap(other.programs["on_egress"], sockets)
    with pytest.raises(bpf.ProgramTypeError, match="does not attach as SK_MSG_VERDICT"):
        attach_sockmap(obj.programs["on_stream"], sockets, attach_type=AttachType.SK_MSG_VERDICT)


def test_a_program_that_says_no_hook_needs_one(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("sockmap")) as opened:
        opened.load()
        program, sockets = opened.program("anywhere", SkSkb), opened.maps["sockets"]
        with pytest.raises(bpf.ProgramTypeError, match="give attach_type=, one of SK_SKB_STREAM_PARSER"):
            program.attach(sockets)
        hook = AttachType.SK_SKB_STREAM_VERDICT
        program.attach(sockets, attach_type=hook, legacy=older_than("6.10"))
