# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""`import pylibbpf` over bare Python, in CPU time."""

from __future__ import annotations

import os
import sys
from math import inf

from .harness import ROOT, Figure, python

ROUNDS = 15


def cpu_milliseconds(code: str) -> float:
    """CPU time of a Python process, from start to end. Wall time would be that of whatever runs beside us."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = os.posix_spawn(sys.executable, python("-c", code), environment)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"python -c '{code}' failed")
    return (usage.ru_utime + usage.ru_stime) * 1000


def figures() -> list[Figure]:
    found = []
    for name, code, limit in (
        ("import pylibbpf, over bare Python", "import pylibbpf", 15),
        ("... and its extension", "import pylibbpf; pylibbpf.lib", inf),
        (
            "... and pylibbpf.Object with all it loads",
            "import pylibbpf; pylibbpf.Object; pylibbpf.RingBuffer",
            inf,
        ),
    ):
        cpu_milliseconds(code)
        pairs = [(cpu_milliseconds(code), cpu_milliseconds("pass")) for _ in range(ROUNDS)]
        ours, bare = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        found.append(Figure(name, ours, bare, "ms", limit, of_difference=True))
    return found
