# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/package_with_skeleton, with the skeleton that is checked in: who makes the most system calls."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.examples.running import DEADLINE, assert_advises, give_up_rights

pytestmark = [
    pytest.mark.host("raw tracepoints are tested on every kernel elsewhere"),
    pytest.mark.needs("root", "vmlinux_btf"),
]

SOURCE = ROOT / "examples" / "package_with_skeleton" / "src"
BUSY = "import os, sys\nprint(os.getpid(), flush=True)\nwhile True: os.getppid()"


def run(*arguments: str, unprivileged: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "default", "-m", "busiest", *arguments],
        capture_output=True, text=True, check=False, timeout=DEADLINE,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{SOURCE}"},
        preexec_fn=give_up_rights if unprivileged else None,
    )  # fmt: skip


@contextlib.contextmanager
def busy() -> Iterator[int]:
    """The pid of a process that makes system calls, and does nothing else."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{process.pid}\n"
            yield process.pid
        finally:
            process.kill()


def table(*arguments: str) -> tuple[dict[int, int], int]:
    """The calls of each process, in the order in which they are shown, and all calls."""
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows, total = done.stdout.splitlines()
    assert header.split() == ["PID", "CALLS", "NAME"]
    calls = {int(pid): int(count) for pid, count, *_ in map(str.split, rows)}
    assert len(calls) == len(rows)
    assert [*calls.values()] == sorted(calls.values(), reverse=True)
    words = re.fullmatch(r"(\d+) system calls in all", total)
    assert words
    return calls, int(words[1])


def test_a_process_that_does_nothing_else_is_among_the_busiest() -> None:
    with busy() as pid:
        # As many as there can be: others may be busier, and the machine slow.
        calls, total = table("--seconds", "0.5", "--top", "10240")
    assert 100 <= calls[pid] <= sum(calls.values()) <= total


def test_no_more_processes_are_shown_than_wanted() -> None:
    with busy():
        assert 1 <= len(table("--seconds", "0.5", "--top", "3")[0]) <= 3
        assert 1 <= len(table("--seconds", "0.5")[0]) <= 10


def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run(unprivileged=True), "busiest", "CAP_")
