# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/tcp_congestion.py: a congestion control that carries what sockets send."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, eventually, renamed
from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, output, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "libbpf_1_3")

NAME = "bpf_example"
SIZE = 1_000_000


def congestion_control(of: socket.socket) -> str:
    return of.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()


def choose(name: str, sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())


def is_selectable(name: str) -> bool:
    with socket.socket() as own:
        try:
            choose(name, own)
        except FileNotFoundError:
            return False
    return True


@pytest.fixture
def example(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A copy of the example, and the name that its congestion control has: there are no two of one name."""
    original, copy = ROOT / "examples" / "tcp_congestion", tmp_path / "tcp_congestion"
    image, name = renamed(original.with_suffix(".bpf.o").read_bytes(), NAME.encode())
    copy.with_suffix(".bpf.o").write_bytes(image)
    copy.with_suffix(".py").write_text(original.with_suffix(".py").read_text().replace(NAME, name))
    yield copy, name
    # The kernel forgets the name in its own time.
    eventually(lambda: not is_selectable(name))


def test_it_carries_traffic_and_reports_the_connection(example: tuple[Path, str]) -> None:
    path, name = example
    with running(path) as process:
        line_with(process, "LOSSES")
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
            choose(name, client)
            client.connect(server.getsockname())
            with server.accept()[0] as accepted:
                local, remote = client.getsockname()[1], client.getpeername()[1]
                for _ in range(SIZE // 10_000):
                    client.sendall(bytes(10_000))
                    assert len(accepted.recv(10_000, socket.MSG_WAITALL)) == 10_000
                assert congestion_control(client) == name
        ports = f"{local:>6} {remote:>6} "
        _, _, sent, packets, window, losses = map(int, line_with(process, ports).split())
        assert sent == SIZE
        assert packets > 0
        assert window >= 10
        assert losses >= 0
        assert interrupt(process) == ""


def test_it_tries_itself(example: tuple[Path, str]) -> None:
    path, name = example
    selectable, sent, header, row = output(path, "--try", SIZE, "--seconds", 1)
    assert selectable == f"sockets can have {name}"
    assert sent == f"sent {SIZE} bytes with {name}"
    assert header.split() == ["LOCAL", "REMOTE", "SENT", "PACKETS", "WINDOW", "LOSSES"]
    assert row.split()[2] == str(SIZE)


@pytest.mark.host("the same on every kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("tcp_congestion", preexec=give_up_rights), "tcp_congestion", "CAP_")
