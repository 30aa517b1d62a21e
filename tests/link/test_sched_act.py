# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Actions of traffic control: pinned by pylibbpf, named by who makes the filter."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.programs import SchedAct
from tests.link.places import Namespace

Find = Callable[[str], Path]


@pytest.mark.needs("root", "vmlinux_btf", "clsact", "act_bpf", "iproute2")
@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.needs("prepare"), id="alone")])
def test_a_pinned_action_runs_on_what_a_filter_sends_it(
    bpf_object: Find, bpffs: Path, namespace: Namespace, alone: bool
) -> None:
    def tc(*command: str) -> None:
        namespace.run(lambda: subprocess.run(["tc", *command], check=True))

    sender, receiver = (
        namespace.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
    )
    with sender, receiver, bpf.Object.open(bpf_object("sched_act")) as obj:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        sender.connect(receiver.getsockname())
        act, runs, drop = obj.program("act", SchedAct), obj.variables["act_runs"], obj.variables["drop"]
        if alone:
            act.load()
        else:
            obj.load()
        act.pin(bpffs / "act")
        tc("qdisc", "add", "dev", "lo", "clsact")
        try:
            # Classic BPF that takes every packet.
            everything = ("bytecode", "1,6 0 0 4294967295")
            action = ("action", "bpf", "pinned", str(bpffs / "act"))
            tc("filter", "add", "dev", "lo", "egress", "bpf", *everything, *action)
            sender.send(b"first")
            assert receiver.recv(100) == b"first"
            assert runs.value == 1
            drop.value = 1
            sender.send(b"dropped")
            drop.value = 0
            sender.send(b"second")
            assert receiver.recv(100) == b"second"
            assert runs.value == 3
        finally:
            tc("qdisc", "del", "dev", "lo", "clsact")
        sender.send(b"third")
        assert receiver.recv(100) == b"third"
        assert runs.value == 3
        act.unpin()
