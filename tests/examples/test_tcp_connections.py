# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/tcp_connections.py: connections with the addresses that their sockets have."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

INCOMING = ["-", "(incoming)"]


def spelled(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_prints_connections_as_their_sockets_know_them(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    own = [str(os.getpid()), Path("/proc/self/comm").read_text().strip()]
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        with running("tcp_connections", "--port", port) as process:
            line_with(process, "LOCAL")
            with socket.create_connection((host, port)) as client, server.accept()[0] as accepted:
                here, there = spelled(client.getsockname()), spelled(client.getpeername())
                opened = {tuple(line_with(process, "OPENED").split()) for _ in range(2)}
                assert opened == {("OPENED", *own, here, there), ("OPENED", *INCOMING, there, here)}
                client.sendall(b"x" * 1000)
                assert accepted.recv(1000, socket.MSG_WAITALL) == b"x" * 1000
                accepted.sendall(b"y" * 300)
                assert client.recv(300, socket.MSG_WAITALL) == b"y" * 300
            closed = [line_with(process, "CLOSED").split() for _ in range(2)]
            assert sorted((*line[1:5], line[6]) for line in closed) == sorted(
                [(*own, here, there, "1000"), (*INCOMING, there, here, "300")]
            )
            assert all(0 < float(line[5]) < 60_000 for line in closed)
            server.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, port))
            failed = line_with(process, "FAILED").split()
            assert failed[1:3] == own
            assert failed[4] == there
            assert interrupt(process) == ""


@pytest.mark.host("the same on every kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("tcp_connections", preexec=give_up_rights), "tcp_connections", "CAP_")


@pytest.mark.host("the same on every kernel")
def test_what_is_no_port_is_no_traceback() -> None:
    assert_advises(run("tcp_connections", "--port", 65536), "tcp_connections", "65536")
