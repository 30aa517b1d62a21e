# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Draining events of 48 bytes from a ring buffer, in each way there is, beside C (ring_buffer.c) and bcc.

The time is the CPU's, of one event, of draining alone. Where they are installed, bcc's Python module
(Debian: python3-bpfcc, its ring buffer callback) and cilium/ebpf's reader (golang-github-cilium-ebpf-dev,
`ReadInto`) are measured on the same map in the same way.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from itertools import islice
from pathlib import Path
from typing import Any

from .harness import BUILD, HERE, ROOT, Figure, compile_c, in_turns, python

OBJECT = HERE / "ring_buffer.bpf.o"
REPEATS = 3
ROUNDS = 5
# bcc belongs to the system's Python.
SYSTEM_PYTHON = "/usr/bin/python3"
# Where Debian has Go's libraries: golang-go, golang-github-cilium-ebpf-dev.
GO_LIBRARIES = Path("/usr/share/gocode")


def figures() -> list[Figure]:
    program = str(compile_c("ring_buffer"))

    def beside(way: str, theirs: list[str]) -> tuple[list[float], list[float]]:
        return in_turns(command(way), theirs, ROUNDS)

    def command(way: str) -> list[str]:
        return python("-m", "benchmarks.ring_buffer", way)

    c = [program, str(OBJECT), str(REPEATS)]
    made = [
        Figure("ring buffer: read_batch(out=) into a NumPy array", *beside("out", c), "ns", 3),
        Figure("ring buffer: read_batch() to NumPy arrays", *beside("array", c), "ns", 3),
        Figure("ring buffer: a lease as a NumPy array", *beside("lease", c), "ns", float("inf")),
        Figure("ring buffer: a typed event, two fields read", *beside("typed", c), "ns", 280, of_value=True),
        Figure("ring buffer: several types, two fields read", *beside("told", c), "ns", 400, of_value=True),
        Figure("ring buffer: a typed callback", *beside("callback", c), "ns", 300, of_value=True),
        Figure("ring buffer: struct format, two items read", *beside("tuples", c), "ns", float("inf")),
        Figure("ring buffer: bytes", *beside("bytes", c), "ns", float("inf")),
        Figure("ring buffer: async for", *beside("async", command("counted")), "ns", 1.3, beside="for"),
        Figure(
            "ring buffer: the least asynchronous generator around for",
            *beside("async_least", command("counted")),
            "ns",
            float("inf"),
            beside="for",
        ),
    ]
    if has_bcc():
        ours, theirs = beside("typed", command("bcc"))
        made.append(
            Figure("ring buffer: a typed event, two fields read", ours, theirs, "ns", 0.4, beside="bcc")
        )
    return made


def has_bcc() -> bool:
    """Whether the system's Python has bcc."""
    return (
        Path(SYSTEM_PYTHON).exists()
        and not subprocess.run(
            [SYSTEM_PYTHON, "-c", "import bcc"], check=False, capture_output=True
        ).returncode
    )


def go_reader() -> Path | None:
    """cilium/ebpf's reader (ring_buffer.go), built with Debian's packages where they are installed."""
    compiler = shutil.which("go")
    if not compiler or not (GO_LIBRARIES / "src/github.com/cilium/ebpf/ringbuf").is_dir():
        return None
    source, program = HERE / "ring_buffer.go", BUILD / "ring_buffer_go"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"GO111MODULE": "off", "GOPATH": str(GO_LIBRARIES)}
        subprocess.run([compiler, "build", "-o", str(program), str(source)], check=True, env=environment)
    return program


# --- the ways -------------------------------------------------------------------------------


def typed(events: Any, count: int) -> int:
    total = 0
    for event in islice(events, count):
        total += event.sequence + event.pid
    return total


def tuples(events: Any, count: int) -> int:
    total = 0
    for event in islice(events, count):
        total += event[0] + event[2]
    return total


def raw(events: Any, count: int) -> None:
    for _ in islice(events, count):
        pass


def callback() -> tuple[Callable[[Any], None], Callable[[Any, int], int]]:
    """A callback that adds up two fields, and what drains a reader with it."""
    total = 0

    def handle(event: Any) -> None:
        nonlocal total
        total += event.sequence + event.pid

    def consume(events: Any, count: int) -> int:
        nonlocal total
        total = 0
        if events.consume() != count:
            sys.exit("not all events were delivered")
        return total

    return handle, consume


def counted(events: Any, count: int) -> int:
    """`for` with the same body as `iterate_async`, which no islice can end."""
    total = 0
    left = count
    for event in events:
        total += event.sequence + event.pid
        left -= 1
        if not left:
            break
    return total


def iterate_async(events: Any, count: int) -> int:
    async def main() -> int:
        total = 0
        left = count
        async for event in events:
            total += event.sequence + event.pid
            left -= 1
            if not left:
                break
        return total

    return asyncio.run(main())


def iterate_async_least(events: Any, count: int) -> int:
    """What the language alone costs: no loop is asked, nothing is awaited."""

    async def around() -> AsyncIterator[Any]:
        for event in events:
            yield event

    return iterate_async(around(), count)


def arrays(read: Callable[[], Any], count: int) -> None:
    left = count
    while left:
        left -= len(read())


def leased(events: Any, dtype: Any, count: int) -> None:
    left = count
    while left:
        with events.lease() as lease:
            left -= len(lease.to_numpy(dtype))
            lease.commit()


def expected(count: int) -> int:
    # The fields hold the event's index, and its lowest 16 bits.
    return sum(index + (index & 0xFFFF) for index in range(count))


def main(way: str) -> None:
    """One round: the CPU time of one event, in nanoseconds."""
    import pylibbpf as bpf

    with bpf.Object.open(OBJECT) as obj:
        obj.load()
        events = obj.maps["events"]
        fill = obj.programs["fill"].test_run
        count = obj.variables["count"].value
        if way in ("bcc", "go"):
            other = [SYSTEM_PYTHON, str(HERE / "ring_buffer_bcc.py")] if way == "bcc" else [str(go_reader())]
            print(elsewhere(other, events.fd, fill, count))
            return
        assert obj.btf is not None
        dtype = obj.btf.to_dtype("struct event") if way in ("array", "out", "lease") else None
        type: Any = {
            **dict.fromkeys(("typed", "counted", "callback", "async", "async_least"), "struct event"),
            **dict.fromkeys(("array", "out"), dtype),
            "told": {7: "struct event"},
            "tuples": "=QQIIQ16s",
        }.get(way)
        options: dict[str, Any] = {"discriminator": "kind"} if way == "told" else {}
        handle, consume = callback()
        with bpf.RingBuffer(events, type, handle, **options) as reader:
            drain = way_of(way, reader, dtype, consume)
            times = [measured(fill, drain, count) for _ in range(REPEATS + 1)][1:]
    print(sum(times) / REPEATS / count)


def way_of(
    way: str, reader: Any, dtype: Any, consume: Callable[[Any, int], int]
) -> Callable[[int], int | None]:
    if way == "out":
        import numpy

        out = numpy.empty(8192, dtype)
        return lambda count: arrays(lambda: reader.read_batch(out=out), count)
    if way == "array":
        return lambda count: arrays(reader.read_batch, count)
    if way == "lease":
        return lambda count: leased(reader, dtype, count)
    ways: dict[str, Callable[[Any, int], int | None]] = {
        "typed": typed, "counted": counted, "told": typed, "tuples": tuples, "bytes": raw,
        "callback": consume, "async": iterate_async, "async_least": iterate_async_least,
    }  # fmt: skip
    return lambda count: ways[way](reader, count)


def measured(fill: Callable[[], object], drain: Callable[[int], int | None], count: int) -> int:
    """Fills the ring, drains it, and returns the time that the draining took."""
    fill()
    start = time.process_time_ns()
    total = drain(count)
    end = time.process_time_ns()
    if total is not None and total != expected(count):
        sys.exit(f"the sum of the fields is {total}, not {expected(count)}")
    return end - start


def elsewhere(reader: list[str], fd: int, fill: Callable[[], object], count: int) -> float:
    """The same work by a program that asks for each filling by a line."""
    os.set_inheritable(fd, True)
    with subprocess.Popen(
        [*reader, *map(str, (fd, count, REPEATS))],
        cwd=ROOT, pass_fds=[fd], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        line = ""
        for line in process.stdout:
            if line.strip() != "fill":
                break
            fill()
            process.stdin.write("filled\n")
            process.stdin.flush()
    return float(line)


if __name__ == "__main__":
    main(sys.argv[1])
