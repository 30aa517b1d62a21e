# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Kill -9 in the middle of an upgrade of a pinned link, while packets flow: none of them passes."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.link import attach_cgroup, load_pinned_cgroup
from tests.hardening.conftest import ROOT
from tests.link.places import Cgroup

pytestmark = [
    pytest.mark.host("a race of some seconds against kill -9"),
    pytest.mark.needs("root", "vmlinux_btf", "cgroup2"),
]

Find = Callable[[str], Path]
ROUNDS = 10

UPGRADE = """
import sys
import pylibbpf as bpf

path, pin = sys.argv[1:]
while True:
    with bpf.Object.open(path) as obj:
        for program in obj.programs.values():
            program.autoload = program.name == "on_egress"
        obj.variables["drop"].value = 1
        obj.load()
        with bpf.link.load_pinned_cgroup(pin) as link:
            link.update(obj.programs["on_egress"])
    print("upgraded", flush=True)
"""


class Traffic:
    """Sends datagrams out of a cgroup all the time, and counts those that pass."""

    def __init__(self, cgroup: Cgroup) -> None:
        self.cgroup = cgroup
        self.sent = self.passed = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        while not self._end.is_set():
            self.passed += self.cgroup.send()
            self.sent += 1

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()


def dropping(path: Path) -> bpf.Object:
    """The object with the one program that drops every packet, loaded."""
    obj = bpf.Object.open(path)
    for program in obj.programs.values():
        program.autoload = program.name == "on_egress"
    obj.variables["drop"].value = 1
    obj.load()
    return obj


def test_the_old_or_the_new_program_is_attached_at_every_moment(
    bpf_object: Find, bpffs: Path, own_cgroup: Cgroup
) -> None:
    path, pin = bpf_object("cgroup"), bpffs / "firewall"
    seen = set()
    assert own_cgroup.send()
    with dropping(path) as obj:
        program = obj.programs["on_egress"]
        link = attach_cgroup(program, own_cgroup.path)
        link.pin(pin)
        link.close()
        seen.add(program.id)
    with Traffic(own_cgroup) as traffic:
        for _ in range(ROUNDS):
            seen.add(upgrade_until_killed(path, pin))
            assert not own_cgroup.send()
    assert (traffic.passed, traffic.sent > 100) == (0, True)
    # Most rounds ended with another program than the one before.
    assert len(seen) > ROUNDS // 2
    with load_pinned_cgroup(pin) as link:
        link.unpin()
    assert own_cgroup.send()


def upgrade_until_killed(path: Path, pin: Path) -> int:
    """Has a process upgrade, and kills it at some moment. Returns the id of the program that is attached."""
    upgrading = subprocess.Popen(
        [sys.executable, "-c", UPGRADE, str(path), str(pin)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert upgrading.stdout is not None
    with upgrading.stdout as said:
        assert said.readline() == b"upgraded\n"
        # Any moment of some upgrades that take milliseconds each.
        time.sleep(random.uniform(0, 0.02))
        upgrading.kill()
        assert upgrading.wait() == -9
    with load_pinned_cgroup(pin) as link:
        attached = link.info().program_id
    with bpf.Program.from_id(attached) as program:
        assert program.name == "on_egress"
    return attached
