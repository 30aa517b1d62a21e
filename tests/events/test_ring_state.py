# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a reader tells of its rings: positions, statistics, a warning when it falls behind; and leases."""

from __future__ import annotations

import gc
import struct
import threading
import time
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.events import RingStatistics, ring_size
from tests.conftest import eventually, open_fds
from tests.events.rings import EVENT_SIZE, MOST_RECORDS, Event, Rings, everything, in_thread, sequences

pytestmark = [
    pytest.mark.needs("root", "vmlinux_btf", "libbpf_1_3"),
    pytest.mark.kernel("5.10", "test runs of raw tracepoint programs"),
]

SLOT = EVENT_SIZE + 8  # a record takes its header, too


# --- positions and statistics -------------------------------------------------------------


def test_rings_tell_what_waits_in_them(rings: Rings) -> None:
    with bpf.RingBuffer([rings.events, rings.others], Event) as reader:
        assert reader.size == rings.events.max_entries + rings.others.max_entries
        assert reader.available == 0
        rings.output(10)
        rings.output(1, program="output_others")
        assert reader.available == 11 * SLOT
        first, second = reader.rings
        assert (first.map, first.size, first.available) == ("events", 1 << 20, 10 * SLOT)
        assert (first.consumer_position, first.producer_position) == (0, 10 * SLOT)
        assert (second.map, second.available) == ("others", SLOT)
        everything(reader)
        assert reader.available == 0
        assert reader.rings[0].consumer_position == 10 * SLOT


def test_statistics_count_events_and_the_fullest_ring(rings: Rings) -> None:
    with bpf.RingBuffer(
        [rings.events, rings.others], Event, dropped=rings.obj.variables["dropped"]
    ) as reader:
        rings.output(700)
        rings.output(1, 8)
        everything_but(reader, 1)
        statistics = reader.statistics()
        assert (statistics.events, statistics.short_records, statistics.dropped) == (700, 1, 0)
        assert statistics.rings[0].most == 700 * SLOT + 16
        assert statistics.fullest == (700 * SLOT + 16) / (1 << 20)


def everything_but(reader: Any, errors: int) -> None:
    while True:
        try:
            if not reader.read_batch(timeout=0):
                break
        except bpf.FormatError:
            errors -= 1
    assert errors == 0


def fill(rings: Rings) -> int:
    """Writes until there is no space; returns how many records there are."""
    full = (1 << 20) // SLOT
    for _ in range(-(-full // MOST_RECORDS)):
        rings.output_or_drop(MOST_RECORDS)
    dropped: int = rings.obj.variables["dropped"].value
    assert dropped > 0
    return -(-full // MOST_RECORDS) * MOST_RECORDS - dropped


def test_the_programs_count_of_drops_is_among_the_statistics(rings: Rings) -> None:
    variable = rings.obj.variables["dropped"]
    for dropped in (variable, lambda: variable.value):
        with bpf.RingBuffer(rings.events, Event, dropped=dropped) as reader:
            fill(rings)
            assert reader.statistics().dropped == variable.value
            everything(reader)
    with pytest.raises(TypeError, match="dropped"):
        bpf.RingBuffer(rings.events, Event, dropped=3)  # type: ignore[call-overload]


def test_a_consumer_that_falls_behind_is_told_once(rings: Rings) -> None:
    told: list[RingStatistics] = []
    with bpf.RingBuffer(rings.events, Event, behind=told.append, behind_at=0.5) as reader:
        rings.output(100)
        everything(reader)
        assert told == []
        for turn in (1, 2):
            fill(rings)
            count = len(everything(reader))
            assert len(told) == turn
            assert told[-1].fullest > 0.99
            assert count > 20_000
            rings.output_or_drop(100)
            everything(reader)


def test_drops_alone_tell_that_a_consumer_is_behind(rings: Rings) -> None:
    told: list[RingStatistics] = []
    count = 0
    with bpf.RingBuffer(
        rings.events, Event, dropped=lambda: count, behind=told.append, behind_at=1.0
    ) as reader:
        rings.output(1)
        everything(reader)
        count = 5
        rings.output(1)
        everything(reader)
        rings.output(1)
        everything(reader)
    assert [statistics.dropped for statistics in told] == [5]


def test_an_exception_of_the_hook_loses_nothing(rings: Rings) -> None:
    def behind(statistics: RingStatistics) -> None:
        raise LookupError("behind")

    with bpf.RingBuffer(rings.events, Event, behind=behind, behind_at=0.001) as reader:
        rings.output(600)
        with pytest.raises(LookupError):
            reader.read_batch()
        assert sequences(everything(reader)) == list(range(600))


@pytest.mark.parametrize("share", [0, -1, 1.1])
def test_a_share_that_no_ring_can_have_is_refused(rings: Rings, share: float) -> None:
    with pytest.raises(ValueError, match="behind_at"):
        bpf.RingBuffer(rings.events, Event, behind=print, behind_at=share)


def test_ring_size_is_a_power_of_two_that_holds_them(rings: Rings) -> None:
    assert ring_size(48, 1_000_000 * 0.2) == 16 << 20
    assert ring_size(0, 0) == 4096
    assert ring_size(EVENT_SIZE, (1 << 20) // SLOT) == 1 << 20
    assert ring_size(EVENT_SIZE, (1 << 20) // SLOT + 1) == 2 << 20
    for arguments in ((48, 1e9), (-1, 1), (1, -1), (1, float("nan"))):
        with pytest.raises(ValueError, match="records"):
            ring_size(*arguments)


# --- leases -------------------------------------------------------------------------------


def numbers_of(lease: Any) -> list[int]:
    return [struct.unpack_from("Q", view)[0] for view in lease]


def test_a_lease_shows_records_where_they_lie(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events) as reader:
        rings.output(5)
        with reader.lease() as lease:
            assert (len(lease), lease.map) == (5, "events")
            assert numbers_of(lease) == [0, 1, 2, 3, 4]
            assert len(lease[1]) == EVENT_SIZE
            assert lease[1].readonly
            assert [len(view) for view in lease[-2:]] == [EVENT_SIZE] * 2
            assert reader.available == 5 * SLOT
            lease.commit()
            assert reader.available == 0
            assert list(lease) == []
        rings.output(1)
        assert len(reader.read_batch()) == 1


def test_what_was_not_committed_is_the_next_to_be_read(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(5)
        with reader.lease() as lease:
            lease.commit(2)
            assert numbers_of(lease) == [2, 3, 4]
            lease.commit(0)
            with pytest.raises(ValueError, match="has 3 records"):
                lease.commit(4)
        assert sequences(reader.read_batch()) == [2, 3, 4]


def test_views_end_with_the_commit(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events) as reader:
        rings.output(2)
        with reader.lease() as lease:
            view = lease[0]
            lease.commit()
            with pytest.raises(ValueError, match="released"):
                view[0]
        with pytest.raises(bpf.ClosedError):
            lease.commit()
        with pytest.raises(bpf.ClosedError):
            lease[0]


@pytest.mark.parametrize("make", [lambda view: view[2:4], lambda view: memoryview(view)[1:]])
def test_what_is_made_of_a_view_keeps_its_record_from_being_overwritten(rings: Rings, make: Any) -> None:
    with bpf.RingBuffer(rings.events) as reader:
        rings.output(2)
        with reader.lease() as lease:
            made = make(lease[0])
            with pytest.raises(BufferError):
                lease.commit()
            assert reader.available == 2 * SLOT
            assert bytes(made) is not None
            del made
            lease.commit()
        assert reader.available == 0


def test_a_reader_waits_for_what_is_made_of_the_views_of_a_closed_lease(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(2)
        with reader.lease() as lease:
            made = lease[0][:8]
        with pytest.raises(bpf.StateError, match="drop it"):
            reader.read_batch()
        assert struct.unpack("Q", made) == (0,)
        del made
        assert sequences(reader.read_batch()) == [0, 1]


def test_a_view_outlives_its_reader_and_its_object(rings: Rings) -> None:
    reader = bpf.RingBuffer(rings.events)
    rings.output(2)
    lease = reader.lease()
    made = lease[1][:8]
    lease.close()
    reader.close()
    rings.obj.close()
    del lease, reader
    gc.collect()
    assert struct.unpack("Q", made) == (1,)


def test_a_closed_reader_has_no_fd_of_its_rings(rings: Rings) -> None:
    rings.output(2)
    rings.events.fileno()  # a map's own fd, opened when it is needed
    before = open_fds()
    reader = bpf.RingBuffer(rings.events)
    with reader.lease() as lease:
        lease.commit()
    del lease
    reader.close()
    assert open_fds() == before
    with pytest.raises(bpf.ClosedError):
        reader.lease()


def test_one_lease_at_a_time_and_no_other_read(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(600)
        next(iter(reader))
        with pytest.raises(bpf.StateError, match="take them first"):
            reader.lease()
        everything(reader)
        rings.output(3)
        with reader.lease():
            for read in (reader.read_batch, reader.lease, lambda: next(iter(reader))):
                with pytest.raises(bpf.StateError, match="open lease"):
                    read()
        assert len(reader.read_batch()) == 3


def test_a_lease_of_nothing_is_empty(rings: Rings) -> None:
    with bpf.RingBuffer([rings.events, rings.others]) as reader:
        rings.reserve(3, 100)
        with reader.lease(timeout=0.01) as lease:
            assert not lease
            lease.commit()
        assert reader.available == 0


def test_leases_of_several_maps_take_turns(rings: Rings) -> None:
    with bpf.RingBuffer([rings.events, rings.others]) as reader:
        rings.output(2)
        rings.output(3, program="output_others")
        found = []
        for _ in range(2):
            with reader.lease() as lease:
                found.append((lease.map, numbers_of(lease)))
                lease.commit()
        assert found == [("events", [0, 1]), ("others", [2, 3, 4])]


def test_discarded_records_are_left_out_of_a_lease(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events) as reader:
        rings.reserve(9, 2)
        with reader.lease() as lease:
            assert numbers_of(lease) == [2, 5, 8]
            lease.commit()
        assert reader.available == 0


def test_a_lease_waits_for_records(rings: Rings, waiting: threading.Event) -> None:
    def write() -> None:
        waiting.wait()
        rings.output(1)

    with bpf.RingBuffer(rings.events) as reader, in_thread(write), reader.lease() as lease:
        assert numbers_of(lease) == [0]


@pytest.mark.needs("numpy")
def test_a_lease_is_an_array_without_a_copy(rings: Rings) -> None:
    import numpy

    dtype = numpy.dtype([("sequence", "u8"), ("size", "u4")])
    with bpf.RingBuffer(rings.events) as reader:
        rounds = 3 * (1 << 20) // (1000 * SLOT)
        for turn in range(rounds):  # also across the end of the ring
            rings.output(1000)
            with reader.lease() as lease:
                array = lease.to_numpy(dtype)
                assert not array.flags.owndata
                assert not array.flags.writeable
                assert (array["sequence"] == numpy.arange(1000) + 1000 * turn).all()
                with pytest.raises(BufferError):
                    lease.commit()
                del array
                lease.commit()
        rings.reserve(9, 2)
        rings.output(1, 40)
        for _ in range(2):
            with reader.lease() as lease:
                with pytest.raises(ValueError, match="one size"):
                    lease.to_numpy(dtype)
                lease.commit(2)
        rings.output(1, 40)
        with reader.lease() as lease, pytest.raises(ValueError, match="the records have 40 bytes"):
            lease.to_numpy("V41")


def await_growth(counter: Any) -> None:
    before = counter.value
    eventually(lambda: bool(counter.value > before))


def test_a_lease_stands_still_under_a_producer_that_never_stops(rings: Rings) -> None:
    """The producer fills the ring, drops, and writes on: what is leased never changes."""
    stop = threading.Event()

    def produce() -> None:
        while not stop.is_set():
            rings.output_or_drop(MOST_RECORDS)

    seen, last = 0, -1
    with bpf.RingBuffer(rings.events) as reader, in_thread(produce):
        try:
            end = time.monotonic() + 1.5
            dropped = rings.obj.variables["dropped"]
            while seen < 6 or time.monotonic() < end:
                with reader.lease(timeout=5) as lease:
                    before = [bytes(view) for view in lease]
                    if seen % 5 == 0:
                        await_growth(dropped)  # the ring fills up behind the lease
                    assert [bytes(view) for view in lease] == before
                    numbers = [struct.unpack_from("Q", record)[0] for record in before]
                    assert numbers == sorted(set(numbers))
                    if numbers:
                        assert numbers[0] > last
                        last = numbers[-1]
                    seen += 1
                    lease.commit()
        finally:
            stop.set()
