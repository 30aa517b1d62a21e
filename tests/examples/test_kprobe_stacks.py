# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/kprobe_stacks.py: who calls a kernel function, with names."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf")


@pytest.mark.needs("kprobe")
def test_it_shows_the_stacks_of_a_process() -> None:
    with running("kprobe_stacks", "hrtimer_nanosleep", "--pid", os.getpid()) as process:
        line_with(process, "waiting for calls of hrtimer_nanosleep")
        for _ in range(3):
            ctypes.CDLL(None).usleep(1000)
        lines = interrupt(process).splitlines()
    first = lines.index(f"3 by {Path('/proc/self/comm').read_text().strip()}")
    frames = lines[first + 1 : lines.index("", first)]
    assert frames[0].startswith("    hrtimer_nanosleep+0x")
    assert any("sys_" in frame and "nanosleep" in frame for frame in frames[1:]), frames
    assert lines[-1] == "3 calls, 1 callers"


@pytest.mark.needs("kprobe")
def test_a_function_that_the_kernel_does_not_have_is_named() -> None:
    assert_advises(run("kprobe_stacks", "hrtimer_nanosle"), "kprobe_stacks", "'hrtimer_nanosle'")


@pytest.mark.needs("no_kprobe")
def test_without_kprobes_it_says_so() -> None:
    assert_advises(run("kprobe_stacks", "vfs_read"), "kprobe_stacks", "kprobes")


@pytest.mark.host("needs no particular kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    done = run("kprobe_stacks", "vfs_read", preexec=give_up_rights)
    assert_advises(done, "kprobe_stacks", "It needs root")
