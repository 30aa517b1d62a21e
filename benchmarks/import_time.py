# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""`import pylibbpf` over bare Python."""

from __future__ import annotations

import os
import subprocess
import time
from math import inf

from .harness import ROOT, Figure, python

ROUNDS = 15


def wall_milliseconds(code: str) -> float:
    """Time from start to end of a Python process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    subprocess.run(python("-c", code), check=True, env=environment)
    return (time.perf_counter() - start) * 1000


def figures() -> list[Figure]:
    found = []
    for name, code, limit in (
        ("import pylibbpf, over bare Python", "import pylibbpf", 15),
        ("... and its extension", "import pylibbpf; pylibbpf.lib", 15),
        (
            "... and pylibbpf.Object with all it loads",
            "import pylibbpf; pylibbpf.Object; pylibbpf.RingBuffer",
            inf,
        ),
    ):
        wall_milliseconds(code)
        pairs = [(wall_milliseconds(code), wall_milliseconds("pass")) for _ in range(ROUNDS)]
        ours, bare = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        found.append(Figure(name, ours, bare, "ms", limit, of_difference=True))
    return found
