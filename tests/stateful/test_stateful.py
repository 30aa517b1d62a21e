# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The library under random use neither crashes nor hangs nor leaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS = 50
# `make test-stateful` asks for more.
EXAMPLES = max(1, int(os.environ.get("STATEFUL_OPERATIONS", "2000")) // STEPS)


@pytest.mark.host("a property test of a minute")
@pytest.mark.needs("root", "vmlinux_btf")
def test_any_order_of_calls_from_four_threads_is_safe(tmp_path: Path, bpffs: Path) -> None:
    log = tmp_path / "steps"
    machine = [sys.executable, "-X", "faulthandler", "-m", "tests.stateful.machine"]
    done = subprocess.run(
        [*machine, str(log), str(bpffs), str(EXAMPLES), str(STEPS)],
        cwd=ROOT, capture_output=True, text=True, timeout=600 * max(1, EXAMPLES // 40), check=False,
    )  # fmt: skip
    last_steps = "\n".join(log.read_text().splitlines()[-60:])
    assert done.returncode == 0, f"{done.stderr}\n{done.stdout}\nlast steps:\n{last_steps}"
    assert log.read_text().count("start\n") >= EXAMPLES
