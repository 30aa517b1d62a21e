# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on routes: pinned by pylibbpf, named by who makes the route."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.programs import LwtIn, LwtOut, LwtXmit
from tests.link.places import Namespace

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
