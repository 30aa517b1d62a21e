# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/sk_lookup.py: connections to ports where nobody listens are answered, while the link is there."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.examples.network import enter
from tests.examples.running import assert_advises, give_up_rights, line_with, run, running
from tests.link.places import Namespace

pytestmark = pytest.mark.needs("root", "vmlinux_btf")


@pytest.fixture
def here() -> Iterator[Namespace]:
    """A network namespace for the example and its clients, where nobody else has ports."""
    with contextlib.closing(Namespace()) as own:
        yield own


@pytest.fixture
def there() -> Iterator[Namespace]:
    """Another one."""
    with contextlib.closing(Namespace()) as own:
        yield own


def answer(namespace: Namespace, port: int) -> str:
    """What a server in a namespace says to a client; "" if the connection is refused."""

    def ask() -> str:
        try:
            with socket.create_connection(("127.0.0.1", port)) as client:
                return client.makefile().read()
        except ConnectionRefusedError:
            return ""

    return namespace.run(ask)


def stop(process: subprocess.Popen[str]) -> str:
    """Presses Ctrl-C, and returns the rest of what the example printed."""
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    return rest


def test_it_steers_connections_until_its_link_closes(here: Namespace) -> None:
    assert answer(here, 7001) == answer(here, 7002) == ""
    with running("sk_lookup", 7001, 7002, preexec=lambda: enter(here)) as process:
        line_with(process, "answering 2 ports in /proc/self/ns/net")
        assert answer(here, 7001) == "This is port 7001.\n"
        assert answer(here, 7002) == "This is port 7002.\n"
        assert answer(here, 7003) == ""
        assert line_with(process, "connected to port 7002") == "127.0.0.1 connected to port 7002"
        assert stop(process) == "connections steered: 2\n"
    assert answer(here, 7001) == answer(here, 7002) == ""


def test_it_steers_connections_in_another_network_namespace(here: Namespace, there: Namespace) -> None:
    path = f"/proc/{os.getpid()}/fd/{there.fd}"
    with running("sk_lookup", 7001, "--netns", path, preexec=lambda: enter(here)) as process:
        line_with(process, f"answering 1 ports in {path}")
        assert answer(here, 7001) == ""
        assert answer(there, 7001) == "This is port 7001.\n"
        assert stop(process) == "127.0.0.1 connected to port 7001\nconnections steered: 1\n"
    assert answer(there, 7001) == ""


def test_a_range_of_ports_is_taken(here: Namespace) -> None:
    arguments = ("7000-7009", "--netns", "/proc/self/ns/net")
    with running("sk_lookup", *arguments, preexec=lambda: enter(here)) as process:
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
