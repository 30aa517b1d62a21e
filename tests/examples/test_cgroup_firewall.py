# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/cgroup_firewall.py: what a cgroup may not send to, also while the rules are replaced."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.network import is_empty
from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running
from tests.link.places import Cgroup, cgroup_file_system, own_cgroup

__all__ = ["cgroup_file_system", "own_cgroup"]

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "cgroup2")

UPDATES = 10


class Stubborn:
    """A thread that sends to an address again and again, until it is stopped, and counts what came of it."""

    def __init__(self, sender: socket.socket, address: tuple[str, int]) -> None:
        self.refused = self.let_through = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._send, args=(sender, address))
        self._thread.start()

    def _send(self, sender: socket.socket, address: tuple[str, int]) -> None:
        while not self._end.is_set():
            try:
                sender.sendto(b"denied", address)
                self.let_through += 1
            except PermissionError:
                self.refused += 1

    def stop(self) -> None:
        self._end.set()
        self._thread.join()


@contextlib.contextmanager
def stubborn(sender: socket.socket, address: tuple[str, int]) -> Iterator[Stubborn]:
    own = Stubborn(sender, address)
    try:
        yield own
    finally:
        own.stop()


def receiver() -> socket.socket:
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind(("127.0.0.1", 0))
    return own


def test_no_packet_slips_through_while_rules_are_replaced(own_cgroup: Cgroup, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    with contextlib.ExitStack() as stack:
        denied = stack.enter_context(receiver())
        with own_cgroup.inside():
            sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        always = f"127.0.0.1 {denied.getsockname()[1]}  # always\n"
        sometimes = f"127.0.0.0/8 {own_cgroup.receiver.getsockname()[1]}\n"
        rules.write_text(always + sometimes)

        process = stack.enter_context(running("cgroup_firewall", own_cgroup.path, rules))
        assert line_with(process, "rules") == f"2 rules for {own_cgroup.path}"
        refused, passed = int(not own_cgroup.send()), 0
        assert refused
        with stubborn(sender, denied.getsockname()) as thread:
            for number in range(UPDATES):
                rules.write_text(always + sometimes * (number % 2))
                process.send_signal(signal.SIGHUP)
                assert line_with(process, "in place").startswith(f"{1 + number % 2} rules")
                let_through = own_cgroup.send()
                assert let_through == (number % 2 == 0)
                refused, passed = refused + (not let_through), passed + let_through
        assert thread.let_through == 0
        assert thread.refused > 0
        assert is_empty(denied)
        # All generations counted into the same map.
        assert interrupt(process) == f"{refused + thread.refused} packets denied, {passed} passed\n"
        assert own_cgroup.send()


def test_rules_that_are_wrong_leave_the_old_ones(own_cgroup: Cgroup, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text(f"127.0.0.1 {own_cgroup.receiver.getsockname()[1]}\n")
    with running("cgroup_firewall", own_cgroup.path, rules) as process:
        line_with(process, "1 rules")
        rules.write_text("\n127.0.0.1 port\n")
        process.send_signal(signal.SIGHUP)
        assert re.match(
            r"the old rules stay: .*rules, line 2: invalid literal for int.*'port'",
            line_with(process, "the old rules stay"),
        )
        assert not own_cgroup.send()
        interrupt(process)


@pytest.mark.host("the same on every kernel")
def test_what_it_cannot_do_it_says(own_cgroup: Cgroup, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    assert_advises(run("cgroup_firewall", own_cgroup.path, rules), "cgroup_firewall", "No such file")
    rules.write_text("::/0 70000")
    assert_advises(run("cgroup_firewall", own_cgroup.path, rules), "cgroup_firewall", "70000 is no port")
    rules.write_text("::/0")
    assert_advises(
        run("cgroup_firewall", own_cgroup.path, rules, preexec=give_up_rights), "cgroup_firewall", "CAP_"
    )
    assert_advises(run("cgroup_firewall", tmp_path, rules), "cgroup_firewall", "cgroup")
