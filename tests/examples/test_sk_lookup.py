# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/sk_lookup.py: connections to ports where nobody listens are answered, while the link is there."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.examples.running import assert_advises, give_up_rights, line_with, run, running, stream

pytestmark = pytest.mark.needs("root", "vmlinux_btf")


def free_ports(count: int) -> list[int]:
    """Ports where nobody listens."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def answer(port: int) -> str:
    """What a server says to a client; "" if the connection is refused."""
    try:
        with socket.create_connection(("127.0.0.1", port)) as client:
            return client.makefile().read()
    except ConnectionRefusedError:
        return ""


def stop(process: subprocess.Popen[str]) -> str:
    """Presses Ctrl-C, and returns the rest of what the example printed."""
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    return rest


def test_it_steers_connections_until_its_link_closes() -> None:
    first, second, other = free_ports(3)
    assert answer(first) == answer(second) == ""
    with running("sk_lookup", first, second) as process:
        line_with(process, "answering 2 ports in /proc/self/ns/net")
        assert answer(first) == f"This is port {first}.\n"
        assert answer(second) == f"This is port {second}.\n"
        assert answer(other) == ""
        assert line_with(process, f"connected to port {second}") == f"127.0.0.1 connected to port {second}"
        assert stop(process) == "connections steered: 2\n"
    assert answer(first) == answer(second) == ""


def test_it_steers_connections_in_another_network_namespace() -> None:
    (port,) = free_ports(1)
    with network_namespace() as path, running("sk_lookup", port, "--netns", path) as process:
        line_with(process, f"answering 1 ports in {path}")
        assert answer(port) == ""
        assert inside(path, lambda: answer(port)) == f"This is port {port}.\n"
        assert stop(process) == f"127.0.0.1 connected to port {port}\nconnections steered: 1\n"
        assert inside(path, lambda: answer(port)) == ""


def test_a_range_of_ports_is_taken() -> None:
    with running("sk_lookup", "7000-7009", "--netns", "/proc/self/ns/net") as process:
        line_with(process, "answering 10 ports")


def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("sk_lookup", 7000, preexec=give_up_rights), "sk_lookup", "CAP_NET_ADMIN")


@pytest.mark.parametrize("netns", ["missing", "/proc/self/ns/missing", "/proc/self/ns/mnt"])
def test_what_is_no_network_namespace_is_named(netns: str) -> None:
    assert_advises(run("sk_lookup", 7000, "--netns", netns), "sk_lookup", netns.rpartition("/")[2])


@pytest.mark.parametrize("ports", ["0", "65536", "9-8", "x"])
def test_what_are_no_ports_is_refused(ports: str) -> None:
    done = run("sk_lookup", ports)
    assert done.returncode == 2
    assert f"invalid ports value: '{ports}'" in done.stderr


@contextlib.contextmanager
def network_namespace() -> Iterator[str]:
    """The path of a network namespace of its own, with a loopback interface."""
    script = "ip link set lo up && echo up && exec cat"
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert stream(holder.stdout).readline() == "up\n"
            yield f"/proc/{holder.pid}/ns/net"
        finally:
            holder.kill()


def inside(path: str, action: Callable[[], str]) -> str:
    """The result of an action on a thread in a network namespace."""
    clone_newnet = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    results = []

    def work() -> None:
        fd = os.open(path, os.O_RDONLY)
        try:
            assert libc.setns(fd, clone_newnet) == 0, os.strerror(ctypes.get_errno())
        finally:
            os.close(fd)
        results.append(action())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return results[0]
