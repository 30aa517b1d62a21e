# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Every kind of program for cgroups, on what it is there for: a socket, a sysctl, a device."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.programs import (
    CgroupDevice,
    CgroupSkb,
    CgroupSock,
    CgroupSockAddr,
    CgroupSockopt,
    CgroupSysctl,
    SockOps,
)
from tests.conftest import eventually, eventually_unmoved
from tests.link.harness import only_before
from tests.link.places import Cgroup

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "cgroup2")

Find = Callable[[str], Path]
Use = Callable[[Cgroup], object]
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
unix = (pytest.mark.kernel("6.7", "cgroup programs on unix sockets"), pytest.mark.needs("libbpf_1_3"))


@contextlib.contextmanager
def loaded(find: Find, *names: str) -> Iterator[bpf.Object]:
    """The object of tests/bpf/cgroup_kinds.bpf.c, with these programs only."""
    with bpf.Object.open(find("cgroup_kinds")) as obj:
        for name in names:
            obj.programs[name].autoload = True
        obj.load()
        yield obj


# --- what makes them fire --------------------------------------------------------------------


def member(cgroup: Cgroup, family: int, type: int) -> socket.socket:
    """A socket that belongs to a cgroup."""
    with cgroup.inside():
        own = socket.socket(family, type)
    own.settimeout(20)
    return own


def create(cgroup: Cgroup) -> None:
    member(cgroup, socket.AF_INET, socket.SOCK_DGRAM).close()


def use_datagrams(family: socket.AddressFamily) -> Use:
    """Two sockets in the cgroup that bind, send, receive, connect, and ask each other's names."""

    def use(cgroup: Cgroup) -> None:
        host = LOOPBACK[family]
        with (
            member(cgroup, family, socket.SOCK_DGRAM) as one,
            member(cgroup, family, socket.SOCK_DGRAM) as other,
        ):
            one.bind((host, 0))
            other.bind((host, 0))
            port = one.getsockname()[1]
            other.sendto(b"datagram", (host, port))
            assert one.recvfrom(100)[0] == b"datagram"
            other.connect((host, port))
            other.getpeername()
            other.getsockname()

    return use


def use_unix(cgroup: Cgroup) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        member(cgroup, socket.AF_UNIX, socket.SOCK_DGRAM) as one,
        member(cgroup, socket.AF_UNIX, socket.SOCK_DGRAM) as other,
    ):
        one.bind(f"{directory}/one")
        other.bind(f"{directory}/other")
        other.sendto(b"datagram", f"{directory}/one")
        assert one.recvfrom(100)[0] == b"datagram"
        other.connect(f"{directory}/one")
        other.getpeername()
        other.getsockname()


def get_option(cgroup: Cgroup) -> None:
    cgroup.sender.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def set_option(cgroup: Cgroup) -> None:
    cgroup.sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)


def read_sysctl(cgroup: Cgroup) -> None:
    with cgroup.inside():
        Path("/proc/sys/kernel/hostname").read_bytes()


def open_device(cgroup: Cgroup) -> None:
    with cgroup.inside():
        os.close(os.open("/dev/null", os.O_RDONLY))


def send(cgroup: Cgroup) -> None:
    if not cgroup.send():
        raise PermissionError


IPV4, IPV6 = use_datagrams(socket.AF_INET), use_datagrams(socket.AF_INET6)

# Name, class, what makes it fire: of those that can refuse, and of those that cannot.
DECIDE = [
    ("egress", CgroupSkb, send),
    ("sock_create", CgroupSock, create),
    ("post_bind4", CgroupSock, IPV4),
    ("post_bind6", CgroupSock, IPV6),
    ("bind4", CgroupSockAddr, IPV4),
    ("bind6", CgroupSockAddr, IPV6),
    ("connect4", CgroupSockAddr, IPV4),
    ("connect6", CgroupSockAddr, IPV6),
    ("sendmsg4", CgroupSockAddr, IPV4),
    ("sendmsg6", CgroupSockAddr, IPV6),
    pytest.param("connect_unix", CgroupSockAddr, use_unix, marks=unix),
    pytest.param("sendmsg_unix", CgroupSockAddr, use_unix, marks=unix),
    ("getsockopt", CgroupSockopt, get_option),
    ("setsockopt", CgroupSockopt, set_option),
    ("sysctl", CgroupSysctl, read_sysctl),
    ("device", CgroupDevice, open_device),
]
SEE = [
    ("ingress", CgroupSkb, IPV4),
    ("sock_release", CgroupSock, create),
    ("recvmsg4", CgroupSockAddr, IPV4),
    ("recvmsg6", CgroupSockAddr, IPV6),
    ("getpeername4", CgroupSockAddr, IPV4),
    ("getpeername6", CgroupSockAddr, IPV6),
    ("getsockname4", CgroupSockAddr, IPV4),
    ("getsockname6", CgroupSockAddr, IPV6),
    pytest.param("recvmsg_unix", CgroupSockAddr, use_unix, marks=unix),
    pytest.param("getpeername_unix", CgroupSockAddr, use_unix, marks=unix),
    pytest.param("getsockname_unix", CgroupSockAddr, use_unix, marks=unix),
]


# --- the tests ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind", "use"), DECIDE)
def test_a_kind_that_decides_fires_and_refuses_until_its_link_closes(
    bpf_object: Find, own_cgroup: Cgroup, name: str, kind: type[CgroupSkb], use: Use
) -> None:
    with loaded(bpf_object, name) as obj:
        runs = obj.variables[f"{name}_runs"]
        with obj.program(name, kind).attach(own_cgroup.path) as link:
            assert link.is_bpf_link
            use(own_cgroup)
            assert runs.value > 0
            obj.variables["deny"].value = 1
            with pytest.raises(PermissionError):
                use(own_cgroup)

        def lets_it_alone() -> bool:
            before = runs.value
            with contextlib.suppress(PermissionError):
                use(own_cgroup)
                return bool(runs.value == before)
            return False

        eventually(lets_it_alone)


@pytest.mark.parametrize(("name", "kind", "use"), SEE)
def test_a_kind_that_sees_fires_until_its_link_closes(
    bpf_object: Find, own_cgroup: Cgroup, name: str, kind: type[CgroupSkb], use: Use
) -> None:
    with loaded(bpf_object, name) as obj:
        runs = obj.variables[f"{name}_runs"]
        with obj.program(name, kind).attach(own_cgroup.path) as link:
            assert link.is_bpf_link
            use(own_cgroup)
            assert runs.value > 0
        eventually_unmoved(lambda: runs.value, lambda: use(own_cgroup))


@pytest.mark.parametrize(("family", "suffix"), [(socket.AF_INET, 4), (socket.AF_INET6, 6)])
def test_address_kinds_rewrite_what_the_caller_gives_and_gets(
    bpf_object: Find, own_cgroup: Cgroup, family: int, suffix: int
) -> None:
    names = [f"{call}{suffix}" for call in ("connect", "sendmsg", "recvmsg", "getpeername", "getsockname")]
    host = LOOPBACK[family]  # type: ignore[index]
    with (
        loaded(bpf_object, *names) as obj,
        socket.socket(family, socket.SOCK_DGRAM) as receiver,
        member(own_cgroup, family, socket.SOCK_DGRAM) as own,
    ):
        receiver.settimeout(20)
        receiver.bind((host, 0))
        port = receiver.getsockname()[1]
        obj.variables["port"].value = port
        connect, sendmsg, recvmsg, getpeername, getsockname = (
            obj.program(name, CgroupSockAddr) for name in names
        )
        own.bind((host, 0))
        own_port = own.getsockname()[1]
        with getsockname.attach(own_cgroup.path):
            assert own.getsockname()[1] == port
        # To a port where nobody listens, it arrives at the receiver's.
        with sendmsg.attach(own_cgroup.path):
            own.sendto(b"sent", (host, 9))
        assert receiver.recv(100) == b"sent"
        with connect.attach(own_cgroup.path):
            own.connect((host, 9))
        assert own.getpeername()[1] == port
        own.send(b"connected")
        assert receiver.recv(100) == b"connected"
        obj.variables["port"].value = 1234
        with getpeername.attach(own_cgroup.path):
            assert own.getpeername()[1] == 1234
        receiver.sendto(b"answer", (host, own_port))
        with recvmsg.attach(own_cgroup.path):
            assert own.recvfrom(100)[1][1] == 1234


def test_sock_ops_sees_both_ends_of_a_connection(bpf_object: Find, own_cgroup: Cgroup) -> None:
    with loaded(bpf_object, "sock_ops") as obj:

        def connect() -> None:
            with own_cgroup.inside():
                server, client = socket.create_server(("127.0.0.1", 0)), socket.socket()
            with server, client:
                client.connect(server.getsockname())
                server.accept()[0].close()

        counts = [obj.variables[name] for name in ("active_established", "passive_established")]
        with obj.program("sock_ops", SockOps).attach(own_cgroup.path):
            connect()
            assert [count.value for count in counts] == [1, 1]
        eventually_unmoved(lambda: [count.value for count in counts], connect)


class TestBeforeUnixSockets:
    since = "6.7"

    @only_before("since")
    def test_a_kernel_without_them_says_since_when_there_are(
        self, bpf_object: Find, own_cgroup: Cgroup
    ) -> None:
        with bpf.Object.open(bpf_object("cgroup_kinds")) as obj:
            obj.programs["connect_unix"].autoload = True
            with pytest.raises(bpf.NotSupportedError, match=self.since):
                obj.load()
