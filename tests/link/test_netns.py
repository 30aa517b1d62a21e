# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on network namespaces: sk_lookup and flow dissectors."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import AttachType
from pylibbpf.link import Link, NetNsLink, attach_netns, load_pinned_netns, query
from pylibbpf.maps import SockMap
from pylibbpf.programs import FlowDissector, SkLookup
from tests.conftest import eventually
from tests.link.harness import LinkConformance
from tests.link.places import Namespace

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]


def attached(namespace: Namespace, attach_type: AttachType) -> list[int]:
    """The ids of the programs on a namespace."""
    return [program.id for program in query(namespace.fd, attach_type).programs]


@pytest.fixture(autouse=True)
def free_namespace(namespace: Namespace) -> None:
    """Waits for what the test before attached."""
    for attach_type in (AttachType.SK_LOOKUP, AttachType.FLOW_DISSECTOR):
        eventually(lambda attach_type=attach_type: attached(namespace, attach_type) == [])  # type: ignore[misc]


class _OnNamespace(LinkConformance):
    object, link_class = "netns", NetNsLink
    updatable = detachable = True

    @pytest.fixture
    def where(self, namespace: Namespace) -> Namespace:
        return namespace

    def attach(self, program: Any, where: Namespace) -> Link:
        return attach_netns(program, where.fd)

    def check(self, info: Any, where: Namespace) -> None:
        assert info.netns_ino == os.fstat(where.fd).st_ino
        assert info.attach_type == AttachType[self.kind._type.name]  # type: ignore[union-attr]


class TestSkLookup(_OnNamespace):
    kind, program, replacement = SkLookup, "steer", "other_steer"
    since = "5.9"

    def trigger(self, where: Namespace) -> None:
        def look_up() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
                receiver.bind(("127.0.0.1", 0))
                receiver.settimeout(20)
                receiver.sendto(b"x", receiver.getsockname())
                assert receiver.recv(10) == b"x"

        where.run(look_up)


class TestFlowDissector(_OnNamespace):
    kind, program, replacement = FlowDissector, "dissect", "other_dissect"

    def trigger(self, where: Namespace) -> None:
        # A raw frame is dissected when it is sent (include/linux/virtio_net.h:
        # skb_probe_transport_header by af_packet.c:packet_parse_headers).
        def send_frame() -> None:
            ipv4 = 0x0800
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ipv4)) as raw:
                raw.bind(("lo", ipv4))
                raw.send(bytes(12) + ipv4.to_bytes(2, "big") + b"\x45" + bytes(59))

        where.run(send_frame)


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/netns.bpf.c, loaded."""
    with bpf.Object.load_file(bpf_object("netns")) as loaded:
        yield loaded


def connects_to(listener: socket.socket, port: int, namespace: Namespace) -> bool:
    """Whether a new connection to a port arrives at a listening socket."""

    def connect() -> bool:
        with socket.socket() as client:
            client.settimeout(20)
            if client.connect_ex(("127.0.0.1", port)):
                return False
            peer, _ = listener.accept()
            with peer:
                return bool(peer.getsockname()[1] == port)

    return namespace.run(connect)


def test_sk_lookup_steers_connections_until_its_link_closes(obj: bpf.Object, namespace: Namespace) -> None:
    program = obj.program("steer", SkLookup)
    listener = namespace.run(lambda: socket.create_server(("127.0.0.1", 0)))
    with listener:
        listener.settimeout(20)
        # Not the one below, which connect() might choose for its own end: TCP connects to itself.
        port = listener.getsockname()[1] - 2
        obj.map("listener", SockMap)[0] = listener
        assert not connects_to(listener, port, namespace)
        link = program.attach(namespace.fd)
        assert list(program.links) == [link]
        assert connects_to(listener, port, namespace)
        link.close()
        eventually(lambda: not connects_to(listener, port, namespace))


def test_a_namespace_is_a_path_an_fd_or_an_object_with_one(obj: bpf.Object, namespace: Namespace) -> None:
    program = obj.program("steer", SkLookup)
    own = os.stat("/proc/self/ns/net").st_ino
    for netns in ("/proc/self/ns/net", Path("/proc/self/ns/net")):
        with program.attach(netns) as link:
            assert link.info().netns_ino == own  # type: ignore[attr-defined]
    with open(f"/proc/self/fd/{namespace.fd}", "rb") as file, program.attach(file) as link:
        assert link.info().netns_ino == os.fstat(namespace.fd).st_ino  # type: ignore[attr-defined]


def test_lookups_stand_beside_each_other(obj: bpf.Object, namespace: Namespace) -> None:
    first, second = obj.program("steer", SkLookup), obj.program("other_steer", SkLookup)
    with first.attach(namespace.fd), second.attach(namespace.fd):
        found = query(namespace.fd, AttachType.SK_LOOKUP)
        assert [program.id for program in found.programs] == [first.id, second.id]
        assert found.revision is None
    eventually(lambda: attached(namespace, AttachType.SK_LOOKUP) == [])


def test_a_namespace_takes_one_flow_dissector(obj: bpf.Object, namespace: Namespace) -> None:
    first, second = obj.program("dissect", FlowDissector), obj.program("other_dissect", FlowDissector)
    with first.attach(namespace.fd):
        assert attached(namespace, AttachType.FLOW_DISSECTOR) == [first.id]
        with pytest.raises(bpf.BpfError, match="one flow dissector"):
            second.attach(namespace.fd)
    eventually(lambda: attached(namespace, AttachType.FLOW_DISSECTOR) == [])
    second.attach(namespace.fd).close()


def test_what_is_no_network_namespace_is_called_so(obj: bpf.Object, tmp_path: Path) -> None:
    program = obj.program("steer", SkLookup)
    for wrong in (tmp_path, "/proc/self/ns/mnt", 0):
        with pytest.raises(bpf.BpfError, match="no network namespace: those are /proc/PID/ns/net"):
            program.attach(wrong)
        with pytest.raises(bpf.BpfError, match="no network namespace"):
            query(wrong, AttachType.SK_LOOKUP)
    with pytest.raises(bpf.NotFoundError):
        program.attach(tmp_path / "missing")
    with pytest.raises(TypeError, match="an fd, or an object with one"):
        program.attach(None)  # type: ignore[arg-type]


def test_programs_of_other_types_are_refused(bpf_object: Find, namespace: Namespace) -> None:
    with bpf.Object.load_file(bpf_object("cgroup")) as other:
        with pytest.raises(bpf.ProgramTypeError, match="CGROUP_SKB, not SK_LOOKUP or FLOW_DISSECTOR"):
            attach_netns(other.programs["on_egress"], namespace.fd)
        with pytest.raises(TypeError, match="a program is attached"):
            attach_netns(7, namespace.fd)  # type: ignore[arg-type]


def test_load_pinned_netns_refuses_other_kinds(obj: bpf.Object, namespace: Namespace, bpffs: Path) -> None:
    program = obj.program("steer", SkLookup)
    link = program.attach(namespace.fd)
    link.pin(bpffs / "link")
    with load_pinned_netns(bpffs / "link") as loaded:
        assert type(loaded) is NetNsLink
        assert loaded.id == link.id
    obj.map("listener", SockMap).pin(bpffs / "map")
    with pytest.raises(TypeError, match="is a BPF map, not a BPF link"):
        load_pinned_netns(bpffs / "map")
    with pytest.raises(TypeError, match="not CgroupLink"):
        bpf.link.load_pinned_cgroup(bpffs / "link")
