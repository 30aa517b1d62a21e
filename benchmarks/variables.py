# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Reading and writing a global variable of 8 bytes through the mapping."""

from __future__ import annotations

import sys
import time

from .harness import HERE, Figure, nanoseconds, python

OBJECT = HERE / "ring_buffer.bpf.o"
REPEATS = 200_000
ROUNDS = 7


def figures() -> list[Figure]:
    return [
        Figure(
            f"variable.value, {what} an int",
            [nanoseconds(python("-m", "benchmarks.variables", work)) for _ in range(ROUNDS)],
            [],
            "ns",
            limit,
        )
        for what, work, limit in (("reading", "read", 250), ("writing", "write", float("inf")))
    ]


def main(work: str) -> None:
    """One round: the CPU time of one access, in nanoseconds."""
    import pylibbpf as bpf

    with bpf.Object.open(OBJECT) as obj:
        obj.load()
        variable = obj.variables["dropped"]
        start = time.process_time_ns()
        if work == "read":
            for _ in range(REPEATS):
                value = variable.value
            assert value == 0
        else:
            for _ in range(REPEATS):
                variable.value = 7
        print((time.process_time_ns() - start) / REPEATS)


if __name__ == "__main__":
    main(sys.argv[1])
