# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""bcc's ring buffer callback on a map that somebody else fills, for ring_buffer.py: in the system's Python.

bcc compiles its programs when it starts; here its reader alone is of interest. So its RingBuf class is
given the map's fd, and its BPF class no more than what that class asks it for.
"""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Any

import bcc  # type: ignore[import-not-found]
from bcc.table import RingBuf  # type: ignore[import-not-found]


class Event(ctypes.Structure):
    _fields_ = (
        ("sequence", ctypes.c_uint64),
        ("time", ctypes.c_uint64),
        ("pid", ctypes.c_uint32),
        ("kind", ctypes.c_uint32),
        ("address", ctypes.c_uint64),
        ("comm", ctypes.c_char * 16),
    )


def main(fd: int, count: int, repeats: int) -> None:
    bpf: Any = object.__new__(bcc.BPF)
    bpf._ringbuf_manager = None
    bpf.tables = {}
    bpf.cleanup = lambda: None
    ring = object.__new__(RingBuf)
    ring.bpf, ring.map_fd, ring._cbs, ring._event_class = bpf, fd, {}, Event
    total = 0

    def handle(context: Any, data: Any, size: int) -> None:
        nonlocal total
        event = ring.event(data)
        total += event.sequence + event.pid

    ring.open_ring_buffer(handle)
    times = []
    for _ in range(repeats + 1):
        print("fill", flush=True)
        sys.stdin.readline()
        total = 0
        start = time.process_time_ns()
        bpf.ring_buffer_consume()
        times.append(time.process_time_ns() - start)
        if total != sum(index + (index & 0xFFFF) for index in range(count)):
            sys.exit(f"the sum of the fields is {total}")
    print(sum(times[1:]) / repeats / count, flush=True)


main(*map(int, sys.argv[1:]))
