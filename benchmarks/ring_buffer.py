# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Draining events of 48 bytes from a ring buffer, two fields of each read, against C (ring_buffer.c)."""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

from .harness import HERE, Figure, compile_c, in_turns, python

OBJECT = HERE / "ring_buffer.bpf.o"
REPEATS = 3
ROUNDS = 9


def figures() -> list[Figure]:
    program = compile_c("ring_buffer")
    arguments = [str(OBJECT), str(REPEATS)]
    ours, theirs = in_turns(
        python("-m", "benchmarks.ring_buffer", *arguments), [str(program), *arguments], ROUNDS
    )
    return [Figure("a typed event of a ring buffer, two fields read", ours, theirs, "ns", 280, of_value=True)]


def main(path: Path, repeats: int) -> None:
    """One round: the CPU time of one event, in nanoseconds."""
    import pylibbpf as bpf

    with bpf.Object.open(path) as obj:
        obj.load()
        count = obj.variables["count"].value
        with bpf.RingBuffer(obj.maps["events"], "struct event") as events:
            fill = obj.programs["fill"]
            drain(fill, events, count)
            times = [drain(fill, events, count) for _ in range(repeats)]
    print(sum(times) / repeats / count)


def drain(fill: Any, events: Any, count: int) -> int:
    """Fills the ring, drains it, and returns the time that the draining took."""
    fill.test_run()
    total = 0
    start = time.process_time_ns()
    for event in islice(events, count):
        total += event.sequence + event.pid
    end = time.process_time_ns()
    # The fields hold the event's index, and its lowest 16 bits.
    expected = sum(index + (index & 0xFFFF) for index in range(count))
    if total != expected:
        sys.exit(f"the sum of the fields is {total}, not {expected}")
    return end - start


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
