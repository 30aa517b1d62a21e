# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""100,000 kernel addresses to names: each another address, and the same once more."""

from __future__ import annotations

import random
import sys
import time

from .harness import Figure, nanoseconds, python

ADDRESSES = 100_000
ROUNDS = 5

# What is measured, and the milliseconds that it may take.
PARTS = {
    "read": ("reading the kernel's symbols, before the first", float("inf")),
    "once": (f"{ADDRESSES:,} different kernel addresses to names", 1000),
    "again": (f"{ADDRESSES:,} kernel addresses to names once more", 1000),
}


def figures() -> list[Figure]:
    found = []
    for part, (name, limit) in PARTS.items():
        command = python("-m", "benchmarks.symbols", part)
        values = [nanoseconds(command) / 1e6 for _ in range(ROUNDS)]
        found.append(Figure(name, values, [], "ms", limit))
    return found


def main(part: str) -> None:
    """One round: the CPU time of a part, in nanoseconds."""
    from pylibbpf.symbols import KernelSymbols

    start = time.process_time_ns()
    symbols = KernelSymbols()
    read = time.process_time_ns() - start
    first, last = symbols.address_of("_stext"), symbols.address_of("_etext")
    addresses = random.Random(1).sample(range(first, last), ADDRESSES)
    spent = {"read": read}
    for name in ("once", "again"):
        start = time.process_time_ns()
        for address in addresses:
            symbols.find(address)
        spent[name] = time.process_time_ns() - start
    print(spent[part])


if __name__ == "__main__":
    main(sys.argv[1])
