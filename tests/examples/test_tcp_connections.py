# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/tcp_connections.py: connections with the addresses that their sockets have."""

from __future__ import annotations

import os
import re
import runpy
import socket
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

INCOMING = ["-", "(incoming)"]


def spelled(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_prints_connections_as_their_sockets_know_them(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    own = [str(os.getpid()), Path("/proc/self/comm").read_text().strip()[:10].strip()]
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        with running("tcp_connections", "--port", port) as process:
            line_with(process, "LOCAL")
            with socket.create_connection((host, port)) as client, server.accept()[0] as accepted:
                here, there = spelled(client.getsockname()), spelled(client.getpeername())
                opened = {tuple(line_with(process, "OPENED").split()) for _ in range(2)}
                assert opened == {
                    ("OPENED", *own, "-", "-", here, there),
                    ("OPENED", *INCOMING, "-", "-", there, here),
                }
                client.sendall(b"x" * 1290)
                assert accepted.recv(1290, socket.MSG_WAITALL) == b"x" * 1290
                accepted.sendall(b"y" * 300)
                assert client.recv(300, socket.MSG_WAITALL) == b"y" * 300
            closed = [line_with(process, "CLOSED").split() for _ in range(2)]
            assert sorted((*line[1:3], *line[4:]) for line in closed) == sorted(
                [(*own, "1.2K", here, there), (*INCOMING, "300", there, here)]
            )
            assert all(re.fullmatch(r"(\d\.\d|\d\d+)(us|ms|s)", line[3]) for line in closed)
            server.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, port))
            failed = line_with(process, "FAILED").split()
            assert failed[1:3] == own
            assert failed[4::2] == ["-", there]
            assert interrupt(process) == ""


@pytest.mark.host("the same on every kernel")
def test_a_line_takes_80_columns_with_the_longest_of_everything() -> None:
    example = runpy.run_path(str(ROOT / "examples" / "tcp_connections.py"))
    short, ages, sizes = example["short"], example["AGES"], example["SIZES"]
    second, day = 10**9, 86400 * 10**9
    for age, words in {
        0: "0ns", 999: "999ns", 1000: "1.0us", 9999: "9.9us", 999_999: "999us", second - 1: "999ms",
        60 * second - 1: "59s", 5400 * second: "1.5h", day - 1: "23h", day: "1.0d", 500 * day: "500d",
    }.items():  # fmt: skip
        assert short(age, ages) == words
    for size, words in {0: "0", 999: "999", 9999: "9.9K", 10_000: "10K", 10**12 - 1: "999G"}.items():
        assert short(size, sizes) == words
    address = "255.255.255.255:65535"
    line = example["LINE"].format("CLOSED", 4194304, "x" * 15, "999ms", "999K", address, address)
    assert len(line) == 80


@pytest.mark.host("the same on every kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("tcp_connections", preexec=give_up_rights), "tcp_connections", "CAP_")


@pytest.mark.host("the same on every kernel")
def test_what_is_no_port_is_no_traceback() -> None:
    assert_advises(run("tcp_connections", "--port", 65536), "tcp_connections", "65536")
