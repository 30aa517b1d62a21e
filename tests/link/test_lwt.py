# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on routes: pinned by pylibbpf, named by who makes the route."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.programs import LwtIn, LwtOut, LwtSeg6Local, LwtXmit
from tests.conftest import eventually
from tests.link.places import Namespace, on_one_cpu

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "lwt", "iproute2")

Find = Callable[[str], Path]
ADDRESS = "10.99.0.5"


def run(namespace: Namespace, command: str) -> None:
    """Runs a command in a network namespace."""
    namespace.run(lambda: subprocess.run(command.split(), check=True))


@pytest.fixture
def sockets(namespace: Namespace) -> Iterator[tuple[socket.socket, socket.socket]]:
    """One that sends to the address, and one that receives there."""
    sender, receiver = (
        namespace.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
    )
    with sender, receiver:
        receiver.bind(("0.0.0.0", 0))
        receiver.settimeout(20)
        yield sender, receiver


def arrives(sockets: tuple[socket.socket, socket.socket]) -> bool:
    """Whether a datagram does, before the one that takes no such route and is sent behind it."""
    sender, receiver = sockets
    port = receiver.getsockname()[1]
    with on_one_cpu():
        with contextlib.suppress(PermissionError):  # a drop on the way out
            sender.sendto(b"datagram", (ADDRESS, port))
        sender.sendto(b"last", ("127.0.0.1", port))
    if receiver.recv(100) == b"last":
        return False
    assert receiver.recv(100) == b"last"
    return True


@pytest.mark.parametrize(
    ("name", "kind", "hook"),
    [("on_in", LwtIn, "in"), ("on_out", LwtOut, "out"), ("on_xmit", LwtXmit, "xmit")],
)
@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.needs("prepare"), id="alone")])
def test_a_pinned_program_runs_on_the_packets_of_a_route(
    bpf_object: Find,
    bpffs: Path,
    namespace: Namespace,
    sockets: tuple[socket.socket, socket.socket],
    name: str,
    kind: type[LwtIn],
    hook: str,
    alone: bool,
) -> None:
    with bpf.Object.open(bpf_object("lwt")) as obj:
        program, runs = obj.program(name, kind), obj.variables[f"{name}_runs"]
        if alone:
            program.load()
        else:
            obj.load()
        program.pin(bpffs / name)
        route = f"local {ADDRESS}/32 dev lo"
        run(namespace, f"ip route add {route} encap bpf {hook} pinned {bpffs / name}")
        try:
            assert arrives(sockets)
            assert runs.value > 0
            obj.variables["drop"].value = 1
            assert not arrives(sockets)
        finally:
            run(namespace, f"ip route del {route}")
        program.unpin()


# --- segment routing ------------------------------------------------------------------------

ENDPOINT, DESTINATION = "fc00::1", "fd00::2"
# struct ipv6_sr_hdr of include/uapi/linux/seg6.h: by the endpoint to the destination, which the kernel
# fills in.
SEGMENTS = (
    struct.pack("BBBBBBH", 0, 4, 4, 1, 1, 0, 0) + bytes(16) + socket.inet_pton(socket.AF_INET6, ENDPOINT)
)
IPV6_RTHDR = 57


@pytest.fixture
def sender(namespace: Namespace) -> Iterator[socket.socket]:
    """One that sends by the endpoint to the destination."""
    for device in ("all", "lo"):
        enabled = Path(f"/proc/sys/net/ipv6/conf/{device}/seg6_enabled")
        namespace.run(lambda path=enabled: path.write_text("1"))  # type: ignore[misc]
    run(namespace, f"ip -6 addr add {DESTINATION}/128 dev lo")
    with namespace.run(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, IPV6_RTHDR, SEGMENTS)
        yield sender
    run(namespace, f"ip -6 addr del {DESTINATION}/128 dev lo")


@pytest.mark.needs("seg6local")
@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.needs("prepare"), id="alone")])
def test_a_pinned_program_runs_on_the_packets_of_an_endpoint(
    bpf_object: Find, bpffs: Path, namespace: Namespace, sender: socket.socket, alone: bool
) -> None:
    with bpf.Object.open(bpf_object("lwt")) as obj:
        program, runs = obj.program("on_endpoint", LwtSeg6Local), obj.variables["on_endpoint_runs"]
        if alone:
            program.load()
        else:
            obj.load()
        program.pin(bpffs / "on_endpoint")
        route = f"local {ENDPOINT}/128 dev lo"
        pinned = f"pinned {bpffs / 'on_endpoint'}"
        run(namespace, f"ip -6 route add {route} encap seg6local action End.BPF endpoint {pinned}")
        try:
            for sent in (1, 2):
                sender.sendto(b"datagram", (DESTINATION, 9))
                eventually(lambda sent=sent: runs.value == sent)  # type: ignore[misc]
        finally:
            run(namespace, f"ip -6 route del {route}")
        with contextlib.suppress(OSError):  # no route to the endpoint
            sender.sendto(b"datagram", (DESTINATION, 9))
        program.unpin()
        assert runs.value == 2
