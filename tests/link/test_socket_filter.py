# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on a socket, and on the sockets that share a port."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.link import Link, SocketAttachment, attach_reuseport, attach_socket_filter
from pylibbpf.programs import SkReuseport, SocketFilter
from tests.link.harness import AttachmentConformance, Subject
from tests.link.places import Namespace, on_one_cpu

Find = Callable[[str], Path]


class Group:
    """Two UDP sockets of a namespace that share a port, and one that sends to it."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self.members = [self._bound(0)]
        self.port: int = self.members[0].getsockname()[1]
        self.members.append(self._bound(self.port))
        self.sender = self._made()
        self.follower = self._made()
        self.follower.bind(("127.0.0.1", 0))
        self.follower.settimeout(20)

    def _made(self) -> socket.socket:
        return self._namespace.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    def _bound(self, port: int) -> socket.socket:
        sock = self._made()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", port))
        sock.setblocking(False)
        return sock

    def send(self) -> list[bytes | None]:
        """Sends a datagram, and returns what each member received of it.

        One to another port follows it and is waited for: the kernel may deliver them later (ksoftirqd).
        """
        with on_one_cpu():
            self.sender.sendto(b"0123456789", ("127.0.0.1", self.port))
            self.sender.sendto(b"behind it", self.follower.getsockname())
        assert self.follower.recv(100) == b"behind it"
        received: list[bytes | None] = []
        for member in self.members:
            try:
                received.append(member.recv(100))
            except BlockingIOError:
                received.append(None)
        return received

    def close(self) -> None:
        for sock in (*self.members, self.sender, self.follower):
            sock.close()


@pytest.fixture
def group(namespace: Namespace) -> Iterator[Group]:
    own = Group(namespace)
    yield own
    own.close()


class _OnSocket(AttachmentConformance):
    object, link_class = "sockets", SocketAttachment

    @pytest.fixture
    def where(self, group: Group) -> Any:
        return group

    def trigger(self, where: Any) -> None:
        where.send()

    def test_update_puts_in_another_program(self, subject: Subject, where: Any) -> None:
        link = self.attached(subject, where)
        link.update(subject.replacement)
        assert self.fires(subject, where, link, self.replacement or "")
        assert not self.fires(subject, where, link)
        with pytest.raises(ValueError, match="does not tell which program"):
            link.update(subject.program, old=subject.replacement)
        link.close()
        assert not self.fires(subject, where, link, self.replacement or "")

    def test_it_says_that_it_is_no_link(self, subject: Subject, where: Any, bpffs: Path) -> None:
        with self.attached(subject, where) as link:
            assert not link.is_bpf_link
            for use in (lambda: link.id, link.info, link.fileno, lambda: link.pin(bpffs / "link")):
                with pytest.raises(bpf.NotSupportedError, match="belong to the socket"):
                    use()


class TestSocketFilter(_OnSocket):
    program, replacement, kind = "on_packet", "other_on_packet", SocketFilter

    @pytest.fixture
    def where(self, group: Group) -> Any:
        group.members.pop().close()
        return group

    def attach(self, program: Any, where: Any) -> Link:
        return attach_socket_filter(program, where.members[0])


class TestReuseport(_OnSocket):
    program, replacement, kind = "choose", "other_choose", SkReuseport
    # SO_DETACH_REUSEPORT_BPF.
    since = "5.3"

    def attach(self, program: Any, where: Any) -> Link:
        return attach_reuseport(program, where.members[0].fileno())


@pytest.fixture
def sockets(bpf_object: Find) -> Iterator[bpf.Object]:
    with bpf.Object.load_file(bpf_object("sockets")) as obj:
        yield obj


def test_a_filter_says_how_much_of_a_packet_is_kept(sockets: bpf.Object, group: Group) -> None:
    group.members.pop().close()
    program = sockets.program("on_packet", SocketFilter)
    # With the 8 bytes of a UDP header.
    for keeps, received in ((0xFFFFFFFF, b"0123456789"), (8 + 4, b"0123"), (0, None)):
        sockets.variables["keeps"].value = keeps
        with program.attach(group.members[0]):
            assert group.send() == [received]
        assert group.send() == [b"0123456789"]


def test_a_program_chooses_the_socket(sockets: bpf.Object, group: Group) -> None:
    for index, member in enumerate(group.members):
        sockets.maps["group"][index] = member  # type: ignore[index]
    with sockets.program("choose", SkReuseport).attach(group.members[1]):
        for chosen in (0, 1, 0):
            sockets.variables["chosen"].value = chosen
            received = group.send()
            assert received[chosen] == b"0123456789"
            assert received[1 - chosen] is None


def test_a_socket_that_was_closed_takes_its_program_along(sockets: bpf.Object, group: Group) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link = sockets.program("on_packet", SocketFilter).attach(sock)
    sock.close()
    link.close()
    with pytest.raises(bpf.ClosedError, match="the socket is closed"):
        attach_socket_filter(sockets.programs["on_packet"], sock)


def test_what_is_no_socket_is_refused(sockets: bpf.Object, tmp_path: Path) -> None:
    program = sockets.program("on_packet", SocketFilter)
    with open(tmp_path / "file", "wb") as file, pytest.raises(TypeError, match="is no socket"):
        attach_socket_filter(program, file)
    read_end, write_end = os.pipe()
    with pytest.raises(TypeError, match="is no socket"):
        attach_socket_filter(program, read_end)
    os.close(read_end)
    os.close(write_end)
    with pytest.raises(TypeError, match="an fd"):
        attach_socket_filter(program, None)  # type: ignore[arg-type]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock, pytest.raises(bpf.BpfError, match=r"needs SO_REUSEPORT"):
        attach_reuseport(sockets.programs["choose"], sock)
