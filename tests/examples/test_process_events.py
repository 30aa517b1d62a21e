# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/process_events.py: programs executed, with their arguments, and how processes end."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf")


def test_it_prints_arguments_and_how_processes_end() -> None:
    with running("process_events", "--parent", os.getpid()) as process:
        assert line_with(process, "PID").split() == ["PID", "PARENT", "UID", "EVENT", "COMMAND", "DETAILS"]
        arguments = ["sh", "-c", "exit 3", "two words", "", "it's"]
        with subprocess.Popen(arguments) as child:
            pid = child.pid
        facts = [str(pid), str(os.getpid()), "0"]

        pid_, parent, uid, event, command, details = line_with(process, f"{pid} ").split(maxsplit=5)
        assert [pid_, parent, uid] == facts
        assert (event, command) == ("exec", "sh")
        assert shlex.split(details) == arguments

        pid_, parent, uid, event, command, details = line_with(process, f"{pid} ").split(maxsplit=5)
        assert [pid_, parent, uid] == facts
        assert (event, command) == ("exit", "sh")
        assert details.startswith("exit status 3 after ")

        with subprocess.Popen(["sleep", "100"]) as child:
            line_with(process, f"{child.pid} ")
            child.kill()
        assert "exit  sleep            killed by signal 9 (Killed) after " in line_with(
            process, f"{child.pid} "
        )
        assert interrupt(process) == ""


@pytest.mark.host("needs no particular kernel")
def test_many_arguments_are_cut_off() -> None:
    with running("process_events", "--parent", os.getpid()) as process:
        line_with(process, "PID")
        with subprocess.Popen(["true", *["word"] * 1000]) as child:
            pass
        # 1024 bytes: "true" and 203 words with a zero behind each, and four letters.
        assert line_with(process, f"{child.pid} ").split()[5:] == ["true", *["word"] * 204]


@pytest.mark.host("needs no particular kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("process_events", preexec=give_up_rights), "process_events", "It needs root")
