# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A ring buffer in the long run, beside C (ring_buffer_steady.c): latency, a steady rate, memory."""

from __future__ import annotations

import os
import sys
import time
from math import inf
from pathlib import Path
from typing import Any

from .harness import HERE, Figure, compile_c, in_turns, nanoseconds, python

OBJECT = HERE / "ring_buffer.bpf.o"
ROUNDS = 3
SECONDS = 60
EVENTS = 2000
BURST = 10_000
RING = 64 << 20
# Fills of 400,000 events each: 100 million.
FILLS = 250


def figures() -> list[Figure]:
    program = str(compile_c("ring_buffer_steady"))

    def pair(way: str, number: int, rounds: int) -> tuple[list[float], list[float]]:
        ours = python("-m", "benchmarks.ring_buffer_steady", way, str(number))
        return in_turns(ours, [program, str(OBJECT), way, str(number)], rounds)

    share = (
        [nanoseconds(python("-m", "benchmarks.ring_buffer_steady", "share", str(SECONDS)))],
        [nanoseconds([program, str(OBJECT), "share", str(SECONDS)])],
    )
    growth = nanoseconds(python("-m", "benchmarks.ring_buffer_steady", "memory", str(FILLS)))
    return [
        Figure("ring buffer: from write to loop, median", *pair("latency", 50, ROUNDS), "ns", inf),
        Figure("ring buffer: from write to loop, 99th percentile", *pair("latency", 99, ROUNDS), "ns", inf),
        Figure(f"ring buffer: 1,000,000 events/s for {SECONDS} s, CPU", *share, "%", 100, of_value=True),
        Figure("ring buffer: memory, growth over 100 million events", [growth], [], "KB", 1024),
    ]


def main(way: str, number: int) -> None:
    import pylibbpf as bpf

    with bpf.Object.open(OBJECT) as obj:
        if way == "share":
            obj.maps["events"].max_entries = RING
        obj.load()
        assert obj.btf is not None
        print({"latency": latency, "share": share, "memory": memory}[way](obj, number))


def latency(obj: Any, percentile: int) -> float:
    """Events one at a time: nanoseconds from the write to the Python line that sees it."""
    import pylibbpf as bpf

    obj.variables["flags"].value = 0
    found = []
    with bpf.RingBuffer(obj.maps["events"], "struct event") as events:
        child = produce(obj.programs["fill_stamped"].fd, EVENTS, 0.001)
        for event in events:
            found.append(time.monotonic_ns() - event.time)
            if len(found) == EVENTS:
                break
    os.waitpid(child, 0)
    return float(sorted(found)[EVENTS * percentile // 100])


def share(obj: Any, seconds: int) -> float:
    """A million events a second: how much of a CPU reading takes, in percent. Fails if one was lost."""
    import numpy

    import pylibbpf as bpf

    obj.variables["count"].value = BURST
    dtype = obj.btf.to_dtype("struct event")
    out = numpy.empty(8192, dtype)
    left = seconds * 1_000_000
    with bpf.RingBuffer(obj.maps["events"], dtype) as events:
        child = produce(obj.programs["fill"].fd, left // BURST, BURST / 1_000_000)
        deadline = time.monotonic() + seconds + 60
        start = time.process_time_ns()
        while left:
            batch = events.read_batch(out=out, timeout=0)
            left -= len(batch)
            if not len(batch):
                time.sleep(0.005)
                if obj.variables["dropped"].value or time.monotonic() > deadline:
                    sys.exit(f"events were lost: {obj.variables['dropped'].value}")
        used = time.process_time_ns() - start
        fullest = events.statistics().fullest
    os.waitpid(child, 0)
    print(f"the ring was {fullest:.0%} full at most")
    return 100 * used / (seconds * 1e9)


def memory(obj: Any, fills: int) -> float:
    """KB by which the process grew, from a tenth of the events to the last."""
    import numpy

    import pylibbpf as bpf

    count = obj.variables["count"].value
    out = numpy.empty(8192, obj.btf.to_dtype("struct event"))
    fill = obj.programs["fill"].test_run
    before = 0
    with bpf.RingBuffer(obj.maps["events"], "struct event") as events:
        for turn in range(fills):
            if turn == fills // 10:
                before = resident()
            fill()
            left = count
            while left:
                left -= len(events.read_batch() if turn % 2 else events.read_batch(out=out))
    return float(resident() - before)


def resident() -> int:
    """The process's own memory, in KB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0])


def produce(fd: int, runs: int, interval: float) -> int:
    """A process of its own that runs the program every so many seconds."""
    import pylibbpf as bpf

    child = os.fork()
    if child:
        return child
    options = bpf.ffi.new("struct bpf_test_run_opts *")
    options.sz = bpf.ffi.sizeof("struct bpf_test_run_opts")
    following = time.monotonic()
    for _ in range(runs):
        following += interval
        time.sleep(max(0.0, following - time.monotonic()))
        if bpf.lib.bpf_prog_test_run_opts(fd, options):
            os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
