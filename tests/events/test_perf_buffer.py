# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Perf buffers: samples and losses of each CPU in order, wakeups, overwriting, CPUs that come and go."""

from __future__ import annotations

import asyncio
import gc
import os
import select
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.events import Lost, PerfBuffer, perf_buffer
from tests.conftest import eventually, open_fds
from tests.events.rings import Event, in_thread, run_program
from tests.link.places import on_one_cpu

pytestmark = [
    pytest.mark.needs("root", "vmlinux_btf"),
    pytest.mark.kernel("5.10", "test runs of raw tracepoint programs"),
]

EVENT_SIZE = 32


@pytest.fixture
def perf(bpf_object: Callable[[str], Path]) -> Iterator[bpf.Object]:
    """The object of tests/bpf/perf.bpf.c, loaded."""
    with bpf.Object.open(bpf_object("perf")) as obj:
        obj.load()
        yield obj


@pytest.fixture
def one_cpu() -> Iterator[int]:
    """Everything happens on one CPU: a test run stays on the caller's."""
    with on_one_cpu() as cpu:
        yield cpu


def output(obj: bpf.Object, count: int, size: int = EVENT_SIZE) -> None:
    while count > 0:
        run_program(obj, "output", min(count, 512), size)
        count -= 512


def everything(reader: PerfBuffer[Any]) -> list[tuple[int, Any]]:
    events: list[tuple[int, Any]] = []
    while batch := reader.read_batch(timeout=0):
        events += batch
    return events


@pytest.mark.parametrize(("type", "field"), [("struct event", "cpu"), (Event, "ring")], ids=str)
def test_events_come_with_their_cpu_and_in_order(perf: bpf.Object, type: Any, field: str) -> None:
    with PerfBuffer(perf.maps["events"], type) as reader:
        for cpu in sorted(os.sched_getaffinity(0)):
            before = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {cpu})
            output(perf, 700)
            os.sched_setaffinity(0, before)
        events = everything(reader)
    assert all(getattr(event, field) == cpu for cpu, event in events)
    by_cpu = defaultdict(list)
    for cpu, event in events:
        by_cpu[cpu].append(event.sequence)
    assert sorted(number for numbers in by_cpu.values() for number in numbers) == list(range(len(events)))
    for numbers in by_cpu.values():
        assert numbers == sorted(numbers)
    assert len(events) == 700 * len(by_cpu)


def test_samples_are_padded_as_perf_does(perf: bpf.Object, one_cpu: int) -> None:
    with PerfBuffer(perf.maps["events"]) as reader:
        for size in (1, 4, 5, 12, 4096):
            output(perf, 1, size)
        # With the four bytes of the size in front they end on an 8-byte bound.
        assert [(cpu, len(data)) for cpu, data in reader.read_batch()] == [
            (one_cpu, size) for size in (4, 4, 12, 12, 4100)
        ]


def test_formats_and_tails_are_as_for_ring_buffers(perf: bpf.Object, one_cpu: int) -> None:
    with PerfBuffer(perf.maps["events"], "=QII", tails=True) as reader:
        output(perf, 2)
        assert reader.read_batch() == [
            (one_cpu, ((number, EVENT_SIZE, one_cpu), bytes(20))) for number in (0, 1)
        ]
    types = {32: "struct event", None: None}
    with PerfBuffer(perf.maps["events"], types, discriminator="size") as told:
        output(perf, 1)
        output(perf, 1, 16)
        (_, first), (_, second) = told.read_batch()
        assert first.sequence == 2
        assert len(second) == 20


def test_a_short_sample_is_an_error_in_its_place(perf: bpf.Object, one_cpu: int) -> None:
    with PerfBuffer(perf.maps["events"], "struct event") as reader:
        output(perf, 1)
        output(perf, 1, 8)
        output(perf, 1)
        assert [event.sequence for _, event in reader.read_batch()] == [0]
        with pytest.raises(bpf.events.ShortRecordError, match="'events'"):
            reader.read_batch()
        assert [event.sequence for _, event in reader.read_batch()] == [2]
        assert reader.statistics().short_records == 1


@pytest.mark.parametrize("lost", [True, False])
def test_lost_samples_are_told_in_their_place_and_counted(perf: bpf.Object, one_cpu: int, lost: bool) -> None:
    with PerfBuffer(perf.maps["events"], "struct event", pages=1, lost=lost) as reader:
        output(perf, 512)
        kept = [event.sequence for _, event in everything(reader)]
        assert kept == list(range(len(kept)))
        missing = 512 - len(kept)
        assert missing > 0
        output(perf, 3)  # the kernel tells of losses in front of the next sample
        events = [event for _, event in everything(reader)]
        if lost:
            assert events.pop(0) == Lost(missing)
        assert [event.sequence for event in events] == [512, 513, 514]
        statistics = reader.statistics()
        assert statistics.lost == {one_cpu: missing}
        assert statistics.events == len(kept) + 3


def test_a_wakeup_can_wait_for_several_events(perf: bpf.Object, one_cpu: int) -> None:
    with PerfBuffer(perf.maps["events"], "struct event", wakeup_events=10) as reader:
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        output(perf, 9)
        assert poll.poll(0) == []
        output(perf, 1)
        assert poll.poll(20_000)
        assert len(everything(reader)) == 10


def test_a_wakeup_can_wait_for_bytes(perf: bpf.Object, one_cpu: int) -> None:
    with PerfBuffer(perf.maps["events"], "struct event", wakeup_bytes=4096) as reader:
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        output(perf, 10)
        assert poll.poll(0) == []
        output(perf, 100)
        assert poll.poll(20_000)
        assert len(everything(reader)) == 110


def test_events_below_the_watermark_are_seen_within_a_second(perf: bpf.Object, one_cpu: int) -> None:
    with PerfBuffer(perf.maps["events"], "struct event", wakeup_events=100) as reader:
        output(perf, 1)
        assert len(reader.read_batch(timeout=20)) == 1
        with in_thread(lambda: output(perf, 1)):
            assert len(reader.read_batch(timeout=20)) == 1


def test_an_overwritable_buffer_keeps_the_newest(perf: bpf.Object, one_cpu: int) -> None:
    with PerfBuffer(perf.maps["events"], "struct event", pages=1, overwritable=True) as reader:
        output(perf, 5)
        assert [event.sequence for _, event in everything(reader)] == [0, 1, 2, 3, 4]
        assert everything(reader) == []
        output(perf, 2000)
        numbers = [event.sequence for _, event in everything(reader)]
        assert numbers == list(range(2005 - len(numbers), 2005))
        # A page of 48 bytes each: header, size, the event, padding.
        assert 70 < len(numbers) <= 4096 // 48
        output(perf, 3)
        assert [event.sequence for _, event in everything(reader)] == [2005, 2006, 2007]
        assert reader.statistics().lost == {}
    assert perf.variables["refused"].value == 0


def test_callbacks_and_iteration(perf: bpf.Object, one_cpu: int) -> None:
    received: list[tuple[int, Any]] = []
    with PerfBuffer(perf.maps["events"], "__u64", received.append) as reader:
        output(perf, 600)
        assert reader.poll() == 512
        assert reader.consume() == 88
        output(perf, 1)
        assert next(iter(reader)) == (one_cpu, 600)
    assert received == [(one_cpu, number) for number in range(600)]


def test_async_for_gives_events(perf: bpf.Object, one_cpu: int) -> None:
    async def main() -> list[int]:
        numbers: list[int] = []
        async for _, event in reader:
            numbers.append(event.sequence)
            if len(numbers) in (3, 6):
                output(perf, 3)
            if len(numbers) == 9:
                break
        return numbers

    with PerfBuffer(perf.maps["events"], "struct event") as reader:
        output(perf, 3)
        assert asyncio.run(asyncio.wait_for(main(), 30)) == list(range(9))


def test_close_clears_the_map(perf: bpf.Object, one_cpu: int) -> None:
    with PerfBuffer(perf.maps["events"], "struct event"):
        output(perf, 1)
        assert perf.variables["refused"].value == 0
    output(perf, 1)
    assert perf.variables["refused"].value == 1


def test_only_the_cpus_that_were_chosen_are_read(perf: bpf.Object, one_cpu: int) -> None:
    with PerfBuffer(perf.maps["events"], "struct event", cpus=[one_cpu]) as reader:
        assert reader.cpus == reader.statistics().cpus == (one_cpu,)
        output(perf, 1)
        assert len(reader.read_batch()) == 1
    for cpus in ([], [-1], [1 << 20]):
        with pytest.raises(ValueError, match="CPU"):
            PerfBuffer(perf.maps["events"], cpus=cpus)


def test_cpus_that_come_online_are_taken_up(
    perf: bpf.Object, one_cpu: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as the reader can tell: the kernel's list of CPUs grows."""
    real = perf_buffer._online
    monkeypatch.setattr(perf_buffer, "_online", frozenset)
    monkeypatch.setattr(perf_buffer, "_LOOK", 0.0)
    with PerfBuffer(perf.maps["events"], "struct event") as reader:
        assert reader.cpus == ()
        output(perf, 1)
        assert reader.read_batch(timeout=0) == []
        monkeypatch.setattr(perf_buffer, "_online", real)
        assert reader.read_batch(timeout=0.01) == []
        assert one_cpu in reader.cpus
        output(perf, 1)
        assert [event.sequence for _, event in reader.read_batch()] == [1]
        # It goes and comes: the buffer is a new one.
        monkeypatch.setattr(perf_buffer, "_online", frozenset)
        assert reader.read_batch(timeout=0.01) == []
        output(perf, 1)
        assert [event.sequence for _, event in reader.read_batch()] == [2]
        monkeypatch.setattr(perf_buffer, "_online", real)
        assert reader.read_batch(timeout=0.01) == []
        output(perf, 1)
        assert [event.sequence for _, event in reader.read_batch()] == [3]


@pytest.mark.needs("cpu_hotplug")
def test_a_cpu_may_go_offline_and_come_back(perf: bpf.Object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf_buffer, "_LOOK", 0.0)
    switch = Path("/sys/devices/system/cpu/cpu1/online")
    everywhere = os.sched_getaffinity(0)

    def output_there() -> None:
        os.sched_setaffinity(0, {1})
        output(perf, 1)
        os.sched_setaffinity(0, everywhere)

    with PerfBuffer(perf.maps["events"], "struct event") as reader:
        output_there()
        try:
            switch.write_text("0")
            assert [(cpu, event.sequence) for cpu, event in reader.read_batch()] == [(1, 0)]
            assert reader.read_batch(timeout=0.05) == []
        finally:
            switch.write_text("1")
        eventually(lambda: 1 in perf_buffer._online())
        assert reader.read_batch(timeout=0.05) == []
        output_there()
        assert [(cpu, event.sequence) for cpu, event in reader.read_batch(timeout=20)] == [(1, 1)]


def test_a_forked_child_closes_only_its_fds(perf: bpf.Object, one_cpu: int) -> None:
    before = open_fds()
    reader = PerfBuffer(perf.maps["events"], "struct event")
    mine = set(open_fds()) - set(before)
    child = os.fork()
    if not child:
        status = 1
        try:
            reader.close()
            status = 0 if len(mine & set(open_fds())) <= 1 else 2  # the map's own stays
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    output(perf, 1)
    assert [event.sequence for _, event in reader.read_batch()] == [0]
    reader.close()
    gc.collect()


def test_nonsense_is_refused(perf: bpf.Object, bpf_object: Callable[[str], Path]) -> None:
    map = perf.maps["events"]
    for options in (
        {"pages": 3}, {"pages": 0}, {"wakeup_events": 0}, {"wakeup_bytes": -1}, {"wakeup_bytes": 1 << 30},
        {"wakeup_bytes": 64, "wakeup_events": 2},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"pages|wakeup"):
            PerfBuffer(map, **options)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="takes a map"):
        PerfBuffer([map])  # type: ignore[call-overload]
    with (
        bpf.Object.open(bpf_object("ring")) as obj,
        pytest.raises(bpf.MapTypeError, match="not PERF_EVENT_ARRAY"),
    ):
        PerfBuffer(obj.maps["array"])
    with pytest.raises(bpf.MapTypeError):
        bpf.RingBuffer(map)
    with PerfBuffer(map) as reader, pytest.raises(ValueError, match="one size"):
        reader.read_batch(out=bytearray(100))
