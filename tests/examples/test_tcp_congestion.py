# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/tcp_congestion.py: a congestion control that carries what sockets send."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.conftest import eventually
from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, output, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "libbpf_1_3")

NAME = b"bpf_example"
SIZE = 1_000_000


def congestion_control(of: socket.socket) -> bytes:
    return of.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")


def is_selectable() -> bool:
    with socket.socket() as own:
        try:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, NAME)
        except FileNotFoundError:
            return False
    return True


@pytest.fixture(autouse=True)
def gone() -> Iterator[None]:
    """The kernel forgets the name in its own time."""
    yield
    eventually(lambda: not is_selectable())


def test_it_carries_traffic_and_reports_the_connection() -> None:
    with running("tcp_congestion") as process:
        line_with(process, "LOSSES")
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, NAME)
            client.connect(server.getsockname())
            with server.accept()[0] as accepted:
                local, remote = client.getsockname()[1], client.getpeername()[1]
                for _ in range(SIZE // 10_000):
                    client.sendall(bytes(10_000))
                    assert len(accepted.recv(10_000, socket.MSG_WAITALL)) == 10_000
                assert congestion_control(client) == NAME
        ports = f"{local:>6} {remote:>6} "
        _, _, sent, packets, window, losses = map(int, line_with(process, ports).split())
        assert sent == SIZE
        assert packets > 0
        assert window >= 10
        assert losses >= 0
        assert interrupt(process) == ""


def test_it_tries_itself() -> None:
    selectable, sent, header, row = output("tcp_congestion", "--try", SIZE, "--seconds", 1)
    assert selectable == "sockets can have bpf_example"
    assert sent == f"sent {SIZE} bytes with bpf_example"
    assert header.split() == ["LOCAL", "REMOTE", "SENT", "PACKETS", "WINDOW", "LOSSES"]
    assert row.split()[2] == str(SIZE)


@pytest.mark.host("the same on every kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("tcp_congestion", preexec=give_up_rights), "tcp_congestion", "CAP_")
