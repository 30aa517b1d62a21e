# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/user_ring_commands.py: a program does what commands in a user ring buffer say."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running, stream

pytestmark = pytest.mark.needs("root", "vmlinux_btf")


def say(process: subprocess.Popen[str], line: str) -> None:
    print(line, file=stream(process.stdin), flush=True)


@pytest.mark.kernel("6.1", "user ring buffers")
def test_it_counts_the_system_calls_of_the_processes_it_is_told() -> None:
    with running("user_ring_commands") as process:
        line_with(process, "show:")
        say(process, f"watch {os.getpid()}")
        assert line_with(process, "obeyed") == "1 command obeyed"
        for _ in range(1000):
            os.getppid()
        say(process, "show")
        assert line_with(process, "PID").split() == ["PID", "SYSTEM", "CALLS"]
        pid, calls = line_with(process, f"{os.getpid()} ").split()
        assert int(pid) == os.getpid()
        assert 1000 <= int(calls) < 1200
        assert line_with(process, "watched") == "1 watched"

        say(process, f"forget {os.getpid()}")
        line_with(process, "1 command obeyed")
        say(process, "show")
        assert line_with(process, "watched") == "0 watched"
        say(process, "watch it")
        assert line_with(process, "not a command") == "not a command: watch it"
        rest, errors = process.communicate()
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.host("needs no particular kernel")
def test_it_ends_by_ctrl_c_without_a_traceback() -> None:
    with running("user_ring_commands") as process:
        line_with(process, "show:")
        assert interrupt(process, code=130) == ""


@pytest.mark.host("needs no particular kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("user_ring_commands", preexec=give_up_rights), "user_ring_commands", "It needs root")
