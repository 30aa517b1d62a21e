# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""No input that ever found a fault finds one again; `make fuzz` looks for new ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.inputs import FOUND, found, seeds
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.host("the same on every kernel"),
    pytest.mark.needs("root", "vmlinux_btf", "libbpf_1_7"),
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_survives_its_seeds_and_what_found_a_fault(target: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "ignore", "-m", "tests.fuzz.replay", target],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), f"after {done.stdout.splitlines()[-1:]}: {done.stderr}"
    assert done.stdout.splitlines() == list(seeds(target) | found(target))


def test_every_input_that_found_a_fault_belongs_to_a_target() -> None:
    assert {path.name for path in FOUND.iterdir()} <= set(TARGETS)
    assert all(found(path.name) for path in FOUND.iterdir())
