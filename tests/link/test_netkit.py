# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on the two ends of a netkit device."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.link import Head, Link, NetkitLink, attach_netkit, query
from pylibbpf.programs import Netkit
from tests import requirements
from tests.link.harness import LinkConformance, older_than
from tests.link.packets import loaded

Find = Callable[[str], Path]
PRIMARY, PEER = bpf.AttachType.NETKIT_PRIMARY, bpf.AttachType.NETKIT_PEER

pytestmark = pytest.mark.needs("libbpf_1_3")


class Pair:
    """A netkit device and its peer, both up, and a socket that sends packets into the primary one.

    Nobody else sends any: IPv6 would report groups and ask for routers.
    """

    # At most 15 characters.
    primary = f"pynetkit{os.getpid()}"

    def __init__(self) -> None:
        subprocess.run(["ip", "link", "add", self.primary, "type", "netkit"], check=True)
        self.index = socket.if_nametoindex(self.primary)
        link = Path(f"/sys/class/net/{self.primary}/iflink").read_text()
        self.peer = socket.if_indextoname(int(link))
        for device in (self.primary, self.peer):
            disabled = Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6")
            if disabled.exists():
                disabled.write_text("1")
            subprocess.run(["ip", "link", "set", device, "up"], check=True)
        self.sender = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)

    def send(self) -> None:
        # A netkit device of layer 3 takes packets without a frame: an empty UDP packet will do.
        packet = bytes.fromhex("4500001c00000000401100007f0000017f0000010001000100080000")
        self.sender.sendto(packet, (self.primary, 0x0800))

    def close(self) -> None:
        self.sender.close()
        subprocess.run(["ip", "link", "del", self.primary], check=True)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    requirements.require("root", "netkit")
    own = Pair()
    yield own
    own.close()


@pytest.mark.needs("netkit")
class TestNetkit(LinkConformance):
    object, program, replacement = "packets", "primary", "other_primary"
    kind, link_class = Netkit, NetkitLink
    updatable = detachable = True

    @pytest.fixture
    def where(self, pair: Pair) -> Any:
        return pair

    def attach(self, program: Any, where: Any) -> Link:
        return attach_netkit(program, where.primary, attach_type=PRIMARY)

    def trigger(self, where: Any) -> None:
        where.send()

    def check(self, info: Any, where: Any) -> None:
        assert (info.ifindex, info.attach_type) == (where.index, PRIMARY)


@pytest.fixture
def packets(bpf_object: Find) -> Iterator[bpf.Object]:
    with bpf.Object.open(bpf_object("packets")) as obj:
        yield obj


@pytest.mark.needs("netkit")
def test_both_ends_are_attached_at_the_primary_device(packets: bpf.Object, pair: Pair) -> None:
    primary, peer = loaded(packets, "primary", "peer")
    with peer.attach(pair.index) as link:
        assert link.info().attach_type == PEER
        assert [program.id for program in query(pair.primary, PEER).programs] == [peer.id]
        with pytest.raises(bpf.PermissionDeniedError, match="attach to the primary"):
            primary.attach(pair.peer)
        with primary.attach(pair.primary, anchor=Head()):
            pair.send()
            assert packets.variables["primary_runs"].value == 1


@pytest.mark.needs("netkit")
def test_another_device_is_refused(packets: bpf.Object) -> None:
    (program,) = loaded(packets, "primary")
    with pytest.raises(bpf.BpfError, match="no netkit device"):
        program.attach("lo")


def test_a_kernel_without_netkit_says_since_when(packets: bpf.Object) -> None:
    (program,) = loaded(packets, "classifier")
    if older_than("6.7") or not requirements.REQUIREMENTS["netkit"].probe():
        with pytest.raises(bpf.NotSupportedError, match=r"6\.7|without netkit"):
            attach_netkit(program, 1, attach_type=PRIMARY)
