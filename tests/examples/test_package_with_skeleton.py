# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/package_with_skeleton, with the skeleton that is checked in: who makes the most system calls."""

from __future__ import annotations

import os
import subprocess
import sys

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


def test_a_process_that_does_nothing_else_is_among_the_busiest() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True) as busy:
        try:
            assert busy.stdout is not None
            assert busy.stdout.readline() == f"{busy.pid}\n"
            done = run("--seconds", "0.5")
        finally:
            busy.kill()
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows, total = (line.split(maxsplit=2) for line in done.stdout.splitlines())
    assert header == ["PID", "CALLS", "NAME"]
    calls = {int(pid): int(count) for pid, count, _ in rows}
    assert len(calls) <= 10
    assert 100 <= calls[busy.pid] <= sum(calls.values()) <= int(total[0])


def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run(unprivileged=True), "busiest", "CAP_")
