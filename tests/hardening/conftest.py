# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Places to attach to, and child processes that must end as they should."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.link.places import cgroup_file_system as cgroup_file_system  # noqa: PLC0414 - a fixture
from tests.link.places import own_cgroup as own_cgroup  # noqa: PLC0414

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., str]


@pytest.fixture
def run() -> Run:
    """Runs a script with arguments in an interpreter of its own, and returns what it printed.

    It must exit with 0, and print nothing to stderr, neither a warning nor a word of an exception.
    """

    def run_script(script: str, *arguments: object, status: int = 0, python: str = sys.executable) -> str:
        done = subprocess.run(
            [python, "-X", "dev", "-c", textwrap.dedent(script),
             *map(str, arguments)],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (status, ""), f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run_script
