# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/xdp_drop.py: packets between two network namespaces are counted, and some dropped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.examples.network import DEVICE, FAR, HEADERS, NEAR, Cable, cable, first_that_arrives, is_empty
from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running
from tests.link.places import on_one_cpu

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "iproute2")


@pytest.fixture(scope="module")
def network() -> Iterator[Cable]:
    with cable() as own:
        yield own


@pytest.mark.parametrize("option", ["", "--generic"])
def test_it_counts_what_was_sent_and_drops_what_it_shall(network: Cable, option: str) -> None:
    with network.receiver() as denied, network.receiver() as passed, network.sender() as sender:
        dropped_port, port = denied.getsockname()[1], passed.getsockname()[1]
        arguments = [DEVICE, "--drop", dropped_port, *([option] if option else [])]
        with running("xdp_drop", *arguments, preexec=network.enter_near) as process:
            line_with(process, f"counting on {DEVICE}, dropping {dropped_port}")
            with on_one_cpu():  # what is passed arrives behind what is dropped
                for _ in range(7):
                    sender.sendto(b"x" * 100, (NEAR, dropped_port))
                for _ in range(5):
                    sender.sendto(b"y" * 30, (NEAR, port))
            assert [passed.recv(100) for _ in range(5)] == [b"y" * 30] * 5
            assert is_empty(denied)
            rows = [line.split() for line in interrupt(process).splitlines()]
        assert rows[0] == ["PROTOCOL", "PORT", "PASSED", "DROPPED", "BYTES"]
        assert ["udp", f"{dropped_port}", "0", "7", f"{7 * (HEADERS + 100)}"] in rows
        assert ["udp", f"{port}", "5", "0", f"{5 * (HEADERS + 30)}"] in rows
        # It is gone.
        assert first_that_arrives(sender, b"z", denied) == (b"z", (FAR, sender.getsockname()[1]))


@pytest.mark.host("the same on every kernel")
def test_what_it_cannot_do_it_says(network: Cable) -> None:
    assert_advises(run("xdp_drop", DEVICE, preexec=give_up_rights), "xdp_drop", "CAP_")
    assert_advises(run("xdp_drop", "missing0"), "xdp_drop", "missing0")
    done = run("xdp_drop", DEVICE, "--drop", "70000")
    assert done.returncode == 2
    assert "invalid port value: '70000'" in done.stderr
