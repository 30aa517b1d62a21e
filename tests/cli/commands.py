# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Runs the command line as its user does: in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

# Longer than any command takes, on any kernel under emulation.
DEADLINE = 120


def command(*arguments: object) -> list[str]:
    """A command line. What the command forgets to close is on its stderr."""
    return [sys.executable, "-W", "default", "-m", "pylibbpf", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would change the output."""
    left_out = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM"}
    return {name: value for name, value in os.environ.items() if name not in left_out} | more


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        env=environment(),
    )


def output(*arguments: object) -> str:
    """What a command writes that ends well, and without complaint."""
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def data(*arguments: object) -> Any:
    """The JSON that a command writes."""
    return json.loads(output(*arguments, "--json"))


def failure(*arguments: object, status: int = 1) -> str:
    """What a command says that the user did wrong."""
    done = run(*arguments)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until a signal."""
    process = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    watchdog = threading.Timer(DEADLINE, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()
