# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What tests of event streams share: objects that write records when they are told to."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pylibbpf as bpf

NO_WAKEUP, FORCE_WAKEUP = 1, 2
EVENT_SIZE = 32
MOST_RECORDS = 512  # of one run of a program


class Event(ctypes.Structure):
    _fields_ = (
        ("sequence", ctypes.c_uint64),
        ("size", ctypes.c_uint32),
        ("ring", ctypes.c_uint32),
        ("comm", ctypes.c_char * 16),
    )


def run_program(obj: bpf.Object, program: str, *arguments: int) -> None:
    """A test run of a raw tracepoint program, whose context is up to four arguments."""
    context = bpf.ffi.new("uint64_t[4]", arguments)
    options = bpf.ffi.new("struct bpf_test_run_opts *")
    options.sz = bpf.ffi.sizeof("struct bpf_test_run_opts")
    options.ctx_in, options.ctx_size_in = context, bpf.ffi.sizeof(context)
    assert bpf.lib.bpf_prog_test_run_opts(obj.programs[program].fd, options) == 0
    assert options.retval == 0


class Rings:
    """The object of tests/bpf/ring.bpf.c, loaded: two rings, and the programs that write into them."""

    def __init__(self, obj: bpf.Object) -> None:
        self.obj = obj
        self.events = obj.maps["events"]
        self.others = obj.maps["others"]

    def output(
        self,
        count: int,
        size: int = EVENT_SIZE,
        flags: int = 0,
        *,
        sequence: int = 0,
        program: str = "output",
    ) -> None:
        """Writes records of that size. Each has the next sequence number, as far as it goes."""
        self.output_or_drop(count, size, flags, sequence=sequence, program=program)
        assert self.obj.variables["dropped"].value == 0

    def output_or_drop(
        self,
        count: int,
        size: int = EVENT_SIZE,
        flags: int = 0,
        *,
        sequence: int = 0,
        program: str = "output",
    ) -> None:
        """The same, and the program counts those that find no space."""
        while count > 0:
            run_program(self.obj, program, min(count, MOST_RECORDS), size, flags, sequence)
            count -= MOST_RECORDS
            sequence = 0

    def reserve(self, count: int, discards: int) -> None:
        """Reserves records, and submits the last of each `discards` + 1 in a row."""
        run_program(self.obj, "reserve", count, discards)


def sequences(events: Any) -> list[int]:
    return [event.sequence for event in events]


def everything(reader: bpf.RingBuffer[Any]) -> list[Any]:
    """What is left, without waiting."""
    events: list[Any] = []
    while batch := reader.read_batch(timeout=0):
        events += batch
    return events


@contextlib.contextmanager
def in_thread(target: Callable[[], object]) -> Iterator[None]:
    """Runs something beside the body of the with statement, and waits for its end."""
    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        thread.join()
