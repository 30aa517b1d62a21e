# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/tcx_bytes.py: packets and bytes of a device by the address of the other side."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.examples.network import DEVICE, FAR, HEADERS, NEAR, Cable, cable
from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running
from tests.link.harness import older_than

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "iproute2", "libbpf_1_3")


@pytest.fixture(scope="module")
def network() -> Iterator[Cable]:
    with cable() as own:
        yield own


@pytest.mark.needs("tcx")
def test_it_counts_what_was_sent_in_both_directions(network: Cable) -> None:
    with network.receiver() as near, network.sender() as far:
        with running("tcx_bytes", DEVICE, preexec=network.enter_near) as process:
            line_with(process, f"counting on {DEVICE}")
            for _ in range(7):
                far.sendto(b"x" * 1000, near.getsockname())
                near.recv(1000)
            for _ in range(3):
                near.sendto(b"y" * 20, far.getsockname())
                far.recv(1000)
            header, *rows = (line.split() for line in interrupt(process).splitlines())
        assert header[:1] == ["ADDRESS"]
        counts = [row for row in rows if row[0] == FAR]
        assert counts == [[FAR, "7", f"{7 * (HEADERS + 1000)}", "3", f"{3 * (HEADERS + 20)}"]]
        assert not [row for row in rows if row[0] == NEAR]


def test_where_it_cannot_attach_it_says_why() -> None:
    if older_than("6.6"):
        assert_advises(run("tcx_bytes", "lo"), "tcx_bytes", "Linux 6.6")
    else:
        assert_advises(run("tcx_bytes", "missing0"), "tcx_bytes", "missing0")


@pytest.mark.host("the same on every kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("tcx_bytes", "lo", preexec=give_up_rights), "tcx_bytes", "CAP_")
