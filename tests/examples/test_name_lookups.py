# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/name_lookups.py: a line for each host name that is looked up."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "uprobe")


def test_it_prints_names_and_what_came_of_them() -> None:
    command = Path("/proc/self/comm").read_text().strip()
    with running("name_lookups", "--pid", os.getpid()) as process:
        assert line_with(process, "NAME").split() == ["PID", "COMMAND", "RESULT", "TIME", "(ms)", "NAME"]
        assert socket.getaddrinfo("127.0.0.1", 80)
        line = line_with(process, "127.0.0.1")
        pid, shown, result, milliseconds, name = line.split()
        assert (int(pid), shown, result, name) == (os.getpid(), command, "found", "127.0.0.1")
        assert float(milliseconds) > 0
        with pytest.raises(socket.gaierror) as caught:
            socket.getaddrinfo("no.number", 80, flags=socket.AI_NUMERICHOST)
        assert caught.value.errno == socket.EAI_NONAME
        assert "EAI_NONAME" in line_with(process, "no.number")
        assert interrupt(process) == ""


@pytest.mark.host("needs no particular kernel")
def test_a_library_that_is_none_is_named() -> None:
    assert_advises(run("name_lookups", "--libc", "/etc/passwd"), "name_lookups", "/etc/passwd")


@pytest.mark.host("needs no particular kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("name_lookups", preexec=give_up_rights), "name_lookups", "It needs root")
