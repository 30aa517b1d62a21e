# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/iter_task.py: a line for each task."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.examples.running import assert_advises, give_up_rights, output, run

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "prepare")


def test_it_lists_the_threads_of_this_process_and_those_of_the_kernel() -> None:
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        header, *lines = output("iter_task")
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert header.split() == ["PID", "TID", "COMMAND"]
    listed = {}
    for line in lines:
        pid, tid, command = line.split(maxsplit=2)
        listed[int(pid), int(tid)] = command
    assert len(listed) == len(lines)
    command = Path("/proc/self/comm").read_text().strip()
    for thread in (threading.main_thread(), *threads):
        assert listed[os.getpid(), thread.native_id or 0] == command
    assert listed[2, 2] == "kthreadd"


def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("iter_task", preexec=give_up_rights), "iter_task", "CAP_BPF")
