# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Open, load and close of the demo's object, against the same calls in C (object_load.c)."""

from __future__ import annotations

import sys
import time

from .harness import ROOT, Figure, compile_c, in_turns, python

OBJECT = ROOT / "examples" / "demo.bpf.o"
REPEATS = 20
ROUNDS = 9


def figures() -> list[Figure]:
    program = compile_c("object_load")
    arguments = [str(OBJECT), str(REPEATS)]
    ours, theirs = in_turns(
        python("-m", "benchmarks.object_load", *arguments), [str(program), *arguments], ROUNDS
    )
    micro = [[value / 1000 for value in values] for values in (ours, theirs)]
    return [Figure("open, load and close of the demo's object", micro[0], micro[1], "us", 1.1)]


def main(path: str, repeats: int) -> None:
    """One round: the CPU time of one open, load and close, in nanoseconds."""
    import pylibbpf as bpf

    def once() -> None:
        obj = bpf.Object.open(path)
        obj.load()
        obj.close()

    once()
    start = time.process_time_ns()
    for _ in range(repeats):
        once()
    print((time.process_time_ns() - start) // repeats)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
