# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Finding one struct of the kernel by name, from nothing, against C (btf_find.c)."""

from __future__ import annotations

import sys
import time

from .harness import Figure, compile_c, in_turns, python

NAME = "task_struct"
REPEATS = 10
ROUNDS = 9


def figures() -> list[Figure]:
    program = compile_c("btf_find")
    arguments = [NAME, str(REPEATS)]
    ours, theirs = in_turns(
        python("-m", "benchmarks.btf_find", *arguments), [str(program), *arguments], ROUNDS
    )
    milli = [[value / 1e6 for value in values] for values in (ours, theirs)]
    return [Figure("a struct of the kernel by name, from nothing", milli[0], milli[1], "ms", 1.3)]


def main(name: str, repeats: int) -> None:
    """One round: the CPU time of finding it once, in nanoseconds."""
    from pylibbpf import Btf

    def find() -> None:
        with Btf.vmlinux() as btf:
            assert btf.find(f"struct {name}").name == name

    find()
    start = time.process_time_ns()
    for _ in range(repeats):
        find()
    print((time.process_time_ns() - start) / repeats)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
