# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The functions of the kernel that can be traced, for tests and benchmarks of probes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

AVAILABLE = Path("/sys/kernel/tracing/available_filter_functions")


def pattern_of_a_thousand() -> str:
    """A pattern that about 1,000 functions match, at least."""
    names = {line.split()[0] for line in AVAILABLE.read_text().splitlines()}
    counts = Counter(name[:4] for name in names if name.isidentifier())
    prefix = min((prefix for prefix, count in counts.items() if count >= 1000), key=lambda key: counts[key])
    return f"{prefix}*"
