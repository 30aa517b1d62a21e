# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Reading a task iterator over 2,000 tasks, against a read loop in C on the same link (iterator.c)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from .harness import HERE, Figure, compile_c, in_turns, python

OBJECT = HERE / "iterator.bpf.o"
TASKS = 2000
REPEATS = 100
ROUNDS = 9

# How it is read, and the bytes of the buffer.
WAYS = {"readinto": 65536, "read": 8192}

# 0.95 of the speed.
LIMIT = 1 / 0.95


def figures() -> list[Figure]:
    import pylibbpf as bpf
    from pylibbpf.programs import Iter

    program = str(compile_c("iterator"))
    found = []
    with (
        subprocess.Popen(
            [program, "tasks", str(TASKS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as tasks,
        bpf.Object.open(OBJECT) as obj,
    ):
        assert tasks.stdout is not None
        if tasks.stdout.readline() != b"ready\n":
            sys.exit(f"cannot make {TASKS} tasks")
        obj.load()
        link = str(obj.program("tasks", Iter).attach().id)
        for way, size in WAYS.items():
            ours, theirs = in_turns(
                python("-m", "benchmarks.iterator", link, way, str(size), str(REPEATS)),
                [program, "read", link, str(size), str(REPEATS)],
                ROUNDS,
            )
            micro = [[value / 1000 for value in values] for values in (ours, theirs)]
            name = f"an iterator over {TASKS} tasks, {way}() of {size} bytes"
            found.append(Figure(name, micro[0], micro[1], "us", LIMIT))
        tasks.kill()
    return found


def main(link_id: int, way: str, size: int, repeats: int) -> None:
    """One round: the CPU time of the fastest reading, in nanoseconds: what else goes on only adds to it."""
    from pylibbpf import link

    with link.from_id(link_id) as tasks:
        once: Callable[[], int] = {"readinto": readinto(tasks, size), "read": read(tasks, size)}[way]
        if not once():
            sys.exit("the iterator gave nothing")
        times = []
        for _ in range(repeats):
            start = time.process_time_ns()
            once()
            times.append(time.process_time_ns() - start)
    print(min(times))


def readinto(link: Any, size: int) -> Callable[[], int]:
    """Reads as the C loop does, into one buffer."""
    buffer = bytearray(size)

    def once() -> int:
        total = 0
        with link.open(buffering=0) as file:
            while count := file.readinto(buffer):
                total += count
        return total

    return once


def read(link: Any, size: int) -> Callable[[], int]:
    """Reads all of it at once, through Python's buffer of that size."""

    def once() -> int:
        with link.open(buffering=size) as file:
            return len(file.read())

    return once


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
