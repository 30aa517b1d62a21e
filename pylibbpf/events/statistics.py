# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What readers of events say about themselves, and how large a ring should be."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import NamedTuple


class RingState(NamedTuple):
    """One ring buffer map of a reader.

    Attributes:
        map: its name.
        size: its bytes.
        available: bytes that wait in it now, headers and discarded records included.
        most: bytes that waited in it when a read found most of them.
        consumer_position: bytes that were ever read from it.
        producer_position: bytes that were ever reserved in it.
    """

    map: str
    size: int
    available: int
    most: int
    consumer_position: int
    producer_position: int


class RingStatistics(NamedTuple):
    """What a RingBuffer did so far.

    Attributes:
        events: records that it drained.
        short_records: records that were shorter than their type.
        unknown_records: records of no type.
        dropped: events that found no space, as the program counts them; None if nobody said where.
        rings: its maps, in the order in which they were given.
    """

    events: int
    short_records: int
    unknown_records: int
    dropped: int | None
    rings: tuple[RingState, ...]

    @property
    def fullest(self) -> float:
        """How full the fullest ring was when a read came to it: from 0 to 1. Beyond 1 events are dropped."""
        return max(ring.most / ring.size for ring in self.rings)


class PerfStatistics(NamedTuple):
    """What a PerfBuffer did so far.

    Attributes:
        events: samples that it drained.
        short_records: samples that were shorter than their type.
        unknown_records: samples of no type.
        lost: samples that found no space, by CPU; CPUs that lost none are left out.
        cpus: the CPUs that have a buffer.
    """

    events: int
    short_records: int
    unknown_records: int
    lost: dict[int, int]
    cpus: tuple[int, ...]


def dropped_count(dropped: object) -> Callable[[], int] | None:
    """Reads where a program counts what it could not write: a variable, or whatever a function finds."""
    if dropped is None:
        return None
    if callable(dropped):
        return dropped
    if not hasattr(dropped, "value"):
        raise TypeError(f"dropped is a variable or a function that returns a number, not {dropped!r}")
    return lambda: int(dropped.value)


def ring_size(record_size: int, records: float) -> int:
    """The size of a ring buffer map that holds so many records: its `max_entries`, in bytes.

    For a consumer that may be away for some time, `records` is the highest rate of events,
    a second, times the seconds that it may be away. In Python those are the collector's runs,
    whatever else the process does between two reads, and the time on a CPU that others take.
    A fifth of a second is a good start::

        obj.maps["events"].max_entries = ring_size(48, records=1_000_000 * 0.2)

    Args:
        record_size: bytes of one record; each takes 8 more, and begins on an 8-byte bound.
        records: how many of them.

    Returns:
        A power of two, and at least a page, as the kernel wants it.

    Raises:
        ValueError: a number is negative, or the size is more than a map can have: 2 GiB.
    """
    if record_size < 0 or not records >= 0:
        raise ValueError(f"{records} records of {record_size} bytes")
    needed = max(int(records * ((record_size + 8 + 7) // 8 * 8)), mmap.PAGESIZE)
    size = 1 << (needed - 1).bit_length()
    if size > 1 << 31:
        raise ValueError(f"{records} records of {record_size} bytes take more than a map can have, 2 GiB")
    return size
