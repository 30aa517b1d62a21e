# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Streams of events from BPF programs: ring buffers, perf buffers, output streams, and rings to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Every public name and the module it lives in, imported when the name is asked for.
_HOME = {
    "BadRecordError": "records",
    "Lease": "lease",
    "LineReader": "lines",
    "Lost": "perf_buffer",
    "PerfBuffer": "perf_buffer",
    "PerfStatistics": "statistics",
    "ProgramStream": "program_stream",
    "Reader": "reader",
    "RingBuffer": "ring_buffer",
    "RingState": "statistics",
    "RingStatistics": "statistics",
    "ShortRecordError": "records",
    "Stream": "program_stream",
    "TracePipe": "trace_pipe",
    "UnknownRecordError": "records",
    "UserRecord": "user_ring_buffer",
    "UserRingBuffer": "user_ring_buffer",
    "ring_size": "statistics",
}

if TYPE_CHECKING:
    from .lease import Lease
    from .lines import LineReader
    from .perf_buffer import Lost, PerfBuffer
    from .program_stream import ProgramStream, Stream
    from .reader import Reader
    from .records import BadRecordError, ShortRecordError, UnknownRecordError
    from .ring_buffer import RingBuffer
    from .statistics import PerfStatistics, RingState, RingStatistics, ring_size
    from .trace_pipe import TracePipe
    from .user_ring_buffer import UserRecord, UserRingBuffer

__all__ = [
    "BadRecordError",
    "Lease",
    "LineReader",
    "Lost",
    "PerfBuffer",
    "PerfStatistics",
    "ProgramStream",
    "Reader",
    "RingBuffer",
    "RingState",
    "RingStatistics",
    "ShortRecordError",
    "Stream",
    "TracePipe",
    "UnknownRecordError",
    "UserRecord",
    "UserRingBuffer",
    "ring_size",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
