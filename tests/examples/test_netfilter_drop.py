# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/netfilter_drop.py: packets to a port are dropped, on several hooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.examples.network import FAR, NEAR, Cable, cable, first_that_arrives, is_empty
from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running
from tests.link.places import on_one_cpu

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "libbpf_1_3", "iproute2")


@pytest.fixture(scope="module")
def network() -> Iterator[Cable]:
    with cable() as own:
        yield own


@pytest.mark.needs("netfilter")
@pytest.mark.parametrize("hook", ["LOCAL_IN", "PRE_ROUTING"])
def test_it_drops_and_counts_packets_to_its_ports(network: Cable, hook: str) -> None:
    with network.receiver() as denied, network.receiver() as passed, network.sender() as sender:
        port = denied.getsockname()[1]
        with running("netfilter_drop", port, "--hook", hook, preexec=network.enter_near) as process:
            line_with(process, f"dropping packets to {port} in {hook} at priority -128")
            with on_one_cpu():  # what is passed arrives behind what is dropped
                for _ in range(6):
                    sender.sendto(b"x", (NEAR, port))
                    sender.sendto(b"y", passed.getsockname())
            assert [passed.recv(100) for _ in range(6)] == [b"y"] * 6
            assert is_empty(denied)
            assert [line.split() for line in interrupt(process).splitlines()] == [
                ["PORT", "DROPPED"],
                [f"{port}", "6"],
            ]
        assert first_that_arrives(sender, b"z", denied) == (b"z", (FAR, sender.getsockname()[1]))


@pytest.mark.host("the same on every kernel")
@pytest.mark.needs("netfilter")
def test_a_priority_that_is_taken_is_no_traceback(network: Cable) -> None:
    with running("netfilter_drop", 7000, preexec=network.enter_near) as process:
        line_with(process, "dropping packets")
        assert_advises(
            run("netfilter_drop", 7001, preexec=network.enter_near), "netfilter_drop", "take another one"
        )
        interrupt(process)


@pytest.mark.host("the same on every kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("netfilter_drop", 7000, preexec=give_up_rights), "netfilter_drop", "CAP_")


@pytest.mark.host("the same on every kernel")
@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_what_is_no_port_is_refused(port: str) -> None:
    done = run("netfilter_drop", port)
    assert done.returncode == 2
    assert f"invalid port value: '{port}'" in done.stderr
