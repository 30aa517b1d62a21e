# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/cpu_profile.py: stacks of what the CPUs execute, folded."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.examples.running import assert_advises, give_up_rights, run, running, stream
from tests.symbols.programs import compile_c

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

BUSY = """
volatile long turns;
__attribute__((noinline)) void spin(void) { for (int i = 0; i < 1000000; i++) turns++; }
__attribute__((noinline)) void work(void) { for (;;) { spin(); turns = 0; } }
int main(void) { work(); }
"""


def cpu_seconds(pid: int) -> float:
    """How long a process was executed."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]  # utime, stime
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def profile(*command: object) -> dict[tuple[str, ...], int]:
    """How often each stack of a busy program was seen while a CPU had it for a second.

    The outermost function is the first.
    """
    with subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL) as busy:
        try:
            with running("cpu_profile", "--pid", busy.pid) as process:
                assert stream(process.stderr).readline() == "taking samples\n"
                begin = cpu_seconds(busy.pid)
                eventually(lambda: cpu_seconds(busy.pid) - begin >= 1)
                process.send_signal(signal.SIGINT)
                written, errors = process.communicate()
        finally:
            busy.kill()
    assert process.returncode == 0, errors
    found = {}
    for line in written.splitlines():
        stack, count = re.fullmatch(r"(.+) (\d+)", line).groups()  # type: ignore[union-attr]
        found[tuple(stack.split(";"))] = int(count)
    assert errors == f"{sum(found.values())} samples of {len(found)} stacks\n"
    return found


@pytest.mark.needs("pyelftools")
@pytest.mark.host("compiles a program, and needs pyelftools")
def test_the_functions_of_a_busy_program_are_named(tmp_path: Path) -> None:
    found = profile(compile_c(tmp_path / "busy", "-fno-omit-frame-pointer", source=BUSY))
    spinning = sum(
        count
        for (comm, *functions), count in found.items()
        if comm == "busy" and "spin" in functions and functions.index("main") < functions.index("spin")
    )
    # A CPU shared with others gives it some samples of 99.
    assert spinning > 0
    assert spinning / sum(found.values()) > 0.8


@pytest.mark.host("needs no particular kernel, and takes long under emulation")
def test_the_functions_of_the_kernel_are_named() -> None:
    found = profile("dd", "if=/dev/zero", "of=/dev/null", "bs=65536")
    assert all(comm == "dd" for comm, *_ in found)
    assert any("vfs_read_[k]" in functions for functions in found), found


@pytest.mark.host("needs no particular kernel")
def test_it_ends_after_the_time_given() -> None:
    done = run("cpu_profile", "--seconds", 0.1)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"taking samples\n\d+ samples of \d+ stacks\n", done.stderr)


@pytest.mark.host("needs no particular kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("cpu_profile", preexec=give_up_rights), "cpu_profile", "It needs root")
