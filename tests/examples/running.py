# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Runs an example as its user does: in a process of its own, by its path."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from tests.conftest import ROOT

# Longer than any of them takes, on any kernel under emulation.
DEADLINE = 120


def command(name: str | Path, *arguments: object) -> list[str]:
    """The command line of an example by its name, or of a copy by its path without .py.

    What it forgets to close is on its stderr.
    """
    path = str(ROOT / "examples" / f"{name}.py")
    return [sys.executable, "-W", "default", path, *map(str, arguments)]


def run(
    name: str | Path, *arguments: object, preexec: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs an example to its end."""
    return subprocess.run(
        command(name, *arguments), capture_output=True, text=True, check=False, timeout=DEADLINE,
        env=environment(), preexec_fn=preexec,
    )  # fmt: skip


def output(name: str | Path, *arguments: object) -> list[str]:
    """The lines of an example that ends by itself, well and without complaint."""
    done = run(name, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout.splitlines()


@contextlib.contextmanager
def running(
    name: str | Path, *arguments: object, preexec: Callable[[], None] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """An example that runs until Ctrl-C, or until its input ends."""
    process = subprocess.Popen(
        command(name, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=preexec,  # noqa: PLW1509 - it calls libc and nothing else
    )
    watchdog = threading.Timer(DEADLINE, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            watchdog.join()
            process.kill()


def line_with(process: subprocess.Popen[str], words: str) -> str:
    """Reads what a running example prints up to the line with these words, and returns that."""
    seen = []
    for line in stream(process.stdout):
        if words in line:
            return line.rstrip("\n")
        seen.append(line)
    raise AssertionError(f"no line has {words!r}:\n{''.join(seen)}{stream(process.stderr).read()}")


def interrupt(process: subprocess.Popen[str], code: int = 0) -> str:
    """Presses Ctrl-C, and returns the rest of what the example prints: it ends so, and without complaint."""
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate()
    assert (process.returncode, errors) == (code, "")
    return rest


def stream(of: IO[str] | None) -> IO[str]:
    """A pipe of a process that was started with one."""
    assert of is not None
    return of


def assert_advises(done: subprocess.CompletedProcess[str], name: str, advice: str) -> None:
    """Asserts that an example ended with a message that has this advice, and not with a traceback."""
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}: "), done.stderr
    assert advice in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def give_up_rights() -> None:
    """Leaves the program that is executed next without any capability, root or not."""
    pr_capbset_drop = 24
    libc = ctypes.CDLL(None)
    for capability in range(64):
        libc.prctl(pr_capbset_drop, capability, 0, 0, 0)
