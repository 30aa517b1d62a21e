# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A hash of u32 to u64 with 100,000 elements, against C (maps.c), and bcc's table where it is installed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .harness import Figure, compile_c, in_turns, nanoseconds, python

COUNT = 100_000
MANY = 1_000_000
ROUNDS = 9
# Single operations are short, and the difference of two of them takes many rounds to settle.
SINGLE_ROUNDS = 15
# Where Debian's python3-bpfcc is: pure Python, which our interpreter reads as well.
DIST_PACKAGES = os.environ.get("BCC", "/usr/lib/python3/dist-packages")


def figures() -> list[Figure]:
    program = str(compile_c("maps"))

    def beside(work: str, reference: str, count: int, repeats: int, rounds: int = ROUNDS) -> Any:
        numbers = [str(count), str(repeats)]
        ours = python("-m", "benchmarks.maps", work, *numbers)
        theirs = (
            [program, reference, *numbers]
            if reference in ("look_up", "update", "batch")
            else python("-m", "benchmarks.maps", reference, *numbers)
        )
        return in_turns(ours, theirs, rounds)

    found = []
    for work, name in (("look_up", "map[key]"), ("update", "map[key] = value")):
        ours, theirs = beside(work, work, COUNT, 8, SINGLE_ROUNDS)
        found.append(Figure(name, ours, theirs, "ns", 700, of_difference=True))
        if has_bcc():
            ours, theirs = beside(work, f"bcc_{work}", COUNT, 3)
            found.append(Figure(name, ours, theirs, "ns", 1 / 1.4, beside="bcc"))
    for count in (COUNT, MANY):
        rounds = ROUNDS if count == COUNT else 3
        ours, theirs = beside("to_numpy", "batch", count, 5, rounds)
        found.append(Figure(f"to_numpy(), an element of {count:,}", ours, theirs, "ns", 1.15))
        ours, theirs = beside("items", "batch", count, 3, rounds)
        tuples = [nanoseconds(python("-m", "benchmarks.maps", "tuples", str(count), "3")) for _ in theirs]
        theirs = [batch + building for batch, building in zip(theirs, tuples, strict=True)]
        found.append(Figure(f"items(), an element of {count:,}", ours, theirs, "ns", 2))
    peak = [nanoseconds(python("-m", "benchmarks.maps", "peak", str(MANY), "1"))]
    found.append(Figure("peak memory of to_numpy(), over its result", peak, [], "x", 1.5, of_value=True))
    return found


def has_bcc() -> bool:
    try:
        bcc_table()
    except (ImportError, OSError):
        return False
    return True


def bcc_table() -> Any:
    """The module bcc.table, from where Debian has it."""
    sys.path.append(DIST_PACKAGES)
    try:
        from bcc import table  # type: ignore[import-not-found]
    finally:
        sys.path.remove(DIST_PACKAGES)
    return table


# --- one round -----------------------------------------------------------------------


def look_up(map: Any, count: int) -> int:
    for key in range(count):
        map[key]
    return count * (count - 1)


def update(map: Any, count: int) -> int:
    for key in range(count):
        map[key] = key
    return count * (count - 1)


def to_numpy(map: Any, count: int) -> int:
    return int(map.to_numpy().values.sum())


def items(map: Any, count: int) -> int:
    found = list(map.items())
    assert len(found) == count
    return count * (count - 1)


def bcc_look_up(map: Any, count: int) -> int:
    table, key_type, _ = bcc_of(map)
    for key in range(count):
        table[key_type(key)].value  # noqa: B018
    return count * (count - 1)


def bcc_update(map: Any, count: int) -> int:
    table, key_type, leaf_type = bcc_of(map)
    for key in range(count):
        table[key_type(key)] = leaf_type(key)
    return count * (count - 1)


def bcc_of(map: Any) -> Any:
    """bcc's table on the same map. Its constructor asks the compiler for what it is told here."""
    from ctypes import c_uint32, c_uint64

    table = object.__new__(bcc_table().HashTable)
    table.__dict__.update(map_fd=map.fd, Key=c_uint32, Leaf=c_uint64, bpf=None, map_id=0, _cbs={}, ttype=1)
    return table, c_uint32, c_uint64


def tuples(map: Any, count: int) -> int:
    """What `items` makes, of memory."""
    from array import array

    keys, values = memoryview(array("I", range(count))), memoryview(array("Q", range(0, 2 * count, 2)))
    start = time.process_time_ns()
    found = list(zip(keys.tolist(), values.tolist(), strict=True))
    tuples.spent = time.process_time_ns() - start  # type: ignore[attr-defined]
    assert len(found) == count
    return count * (count - 1)


def main(work: str, count: int, repeats: int) -> None:
    """One round: the CPU time of one element in the fastest repeat, in nanoseconds."""
    import numpy

    from pylibbpf import Btf
    from pylibbpf.maps import HashMap

    with (
        Btf.vmlinux() as btf,
        HashMap.create(btf=btf, key_type="u32", value_type="u64", max_entries=count) as map,
    ):
        keys = numpy.arange(count, dtype="u4")
        map.update_batch(keys, keys.astype("u8") * 2)
        if work == "peak":
            print(peak_of(map))
            return
        function: Callable[[Any, int], int] = globals()[work]
        expected = count * (count - 1)
        times = []
        for _ in range(repeats + 1):
            start = time.process_time_ns()
            if function(map, count) != expected:
                sys.exit("wrong sum")
            times.append(getattr(function, "spent", None) or time.process_time_ns() - start)
    # What else the machine does only adds to a time.
    print(min(times[1:]) / count)


def peak_of(map: Any) -> float:
    """What is resident at most, as the kernel counts it, over the size of the result."""

    def kilobytes(name: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.split(f"\n{name}:")[1].split()[0])

    map.to_numpy()  # what is imported is no part of it
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    before = kilobytes("VmRSS")
    keys, values = map.to_numpy()
    return 1024 * (kilobytes("VmHWM") - before) / float(keys.nbytes + values.nbytes)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
