# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Event streams in asyncio: no thread, no busy wait, nothing lost when a task is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import selectors
import threading
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.events import waiting as waits
from tests.conftest import open_fds
from tests.events.rings import NO_WAKEUP, Event, Rings, everything, sequences

pytestmark = [
    pytest.mark.needs("root", "vmlinux_btf"),
    pytest.mark.kernel("5.10", "test runs of raw tracepoint programs"),
]


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """A loop of its own that must end within a time."""

    async def limited() -> Any:
        return await asyncio.wait_for(main(), 60)

    return asyncio.run(limited())


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.Event]:
    """An event that is set whenever a task begins to wait for records; made within the loop."""
    events: list[asyncio.Event] = []
    readable = waits.readable

    async def announced(*arguments: Any) -> None:
        for event in events:
            event.set()
        await readable(*arguments)

    monkeypatch.setattr(waits, "readable", announced)
    return events


async def take(reader: Any, count: int) -> list[int]:
    numbers: list[int] = []
    async for event in reader:
        numbers.append(event.sequence)
        if len(numbers) == count:
            break
    return numbers


def test_async_for_gives_events_in_order(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(2000)
        assert run(lambda: take(reader, 2000)) == list(range(2000))


def test_async_for_waits_for_events(rings: Rings, idle: list[asyncio.Event]) -> None:
    async def main() -> list[int]:
        idle.append(asyncio.Event())
        task = asyncio.ensure_future(take(reader, 3))
        for _ in range(3):
            await idle[0].wait()
            idle[0].clear()
            rings.output(1)
        return await task

    with bpf.RingBuffer(rings.events, Event) as reader:
        assert run(main) == [0, 1, 2]


def test_records_without_a_wakeup_are_seen_within_a_second(rings: Rings, idle: list[asyncio.Event]) -> None:
    async def main() -> list[int]:
        idle.append(asyncio.Event())
        task = asyncio.ensure_future(take(reader, 1))
        await idle[0].wait()
        rings.output(1, flags=NO_WAKEUP)
        return await task

    with bpf.RingBuffer(rings.events, Event) as reader:
        assert run(main) == [0]


def test_what_a_broken_off_iteration_left_is_the_next_ones(rings: Rings) -> None:
    async def main() -> list[int]:
        numbers = await take(reader, 3)
        numbers += await take(reader, 700)
        return numbers + sequences(reader.read_batch())

    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(1000)
        numbers = run(main)
        numbers += sequences(everything(reader))
    assert numbers == list(range(1000))


def test_a_cancelled_task_loses_nothing(rings: Rings, idle: list[asyncio.Event]) -> None:
    async def main() -> list[int]:
        idle.append(asyncio.Event())
        numbers: list[int] = []

        async def collect() -> None:
            async for event in reader:
                numbers.append(event.sequence)

        for _ in range(5):
            rings.output(10)
            idle[0].clear()
            task = asyncio.ensure_future(collect())
            await idle[0].wait()
            rings.output(1)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        return numbers

    with bpf.RingBuffer(rings.events, Event) as reader:
        numbers = run(main)
        numbers += sequences(everything(reader))
    assert numbers == list(range(55))


def test_several_streams_and_tasks_share_a_loop(rings: Rings, idle: list[asyncio.Event]) -> None:
    async def main() -> list[list[int]]:
        idle.append(asyncio.Event())
        tasks = [asyncio.ensure_future(take(reader, 20)) for reader in (first, second)]
        await idle[0].wait()
        for _ in range(20):
            rings.output(1)
            rings.output(1, program="output_others")
            await asyncio.sleep(0)
        return await asyncio.gather(*tasks)

    with bpf.RingBuffer(rings.events, Event) as first, bpf.RingBuffer(rings.others, Event) as second:
        assert run(main) == [list(range(0, 40, 2)), list(range(1, 40, 2))]


def test_several_tasks_may_wait_for_one_stream(rings: Rings, idle: list[asyncio.Event]) -> None:
    async def main() -> list[int]:
        idle.append(asyncio.Event())
        tasks = [asyncio.ensure_future(take(reader, 1)) for _ in range(3)]
        for _ in range(3):
            await idle[0].wait()
            idle[0].clear()
            rings.output(1)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            tasks_left = [task for task in tasks if not task.done()]
            if not tasks_left:
                break
        return sorted(number for numbers in await asyncio.gather(*tasks) for number in numbers)

    with bpf.RingBuffer(rings.events, Event) as reader:
        assert run(main) == [0, 1, 2]


def test_a_stream_that_never_runs_dry_lets_other_tasks_run(rings: Rings) -> None:
    async def main() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.ensure_future(other())
        deadline = time.monotonic() + 20
        count = 0
        async for _ in reader:
            count += 1
            if count % 512 == 0:
                if turns > 5 or time.monotonic() > deadline:
                    break
                rings.output_or_drop(512)
        task.cancel()
        return turns

    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(512)
        assert run(main) > 5


def test_close_ends_an_async_for(rings: Rings, idle: list[asyncio.Event]) -> None:
    async def main() -> list[int]:
        idle.append(asyncio.Event())
        task = asyncio.ensure_future(take(reader, 100))
        await idle[0].wait()
        reader.close()
        return await task

    reader = bpf.RingBuffer(rings.events, Event)
    rings.output(3)
    assert run(main) == [0, 1, 2]
    assert reader.closed


def test_close_from_a_thread_ends_an_async_for(rings: Rings, idle: list[asyncio.Event]) -> None:
    async def main() -> list[int]:
        idle.append(asyncio.Event())
        task = asyncio.ensure_future(take(reader, 100))
        await idle[0].wait()
        thread = threading.Thread(target=reader.close)
        thread.start()
        numbers = await task
        thread.join()
        return numbers

    reader = bpf.RingBuffer(rings.events, Event)
    rings.output(3)
    assert run(main) == [0, 1, 2]
    with pytest.raises(bpf.ClosedError):
        reader.__aiter__()


def test_a_loop_that_closes_early_leaves_a_reader_that_works(rings: Rings, idle: list[asyncio.Event]) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        within = open_fds()
        loop = asyncio.new_event_loop()
        idle.append(asyncio.Event())
        task = loop.create_task(take(reader, 1))
        loop.run_until_complete(idle[0].wait())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "Task was destroyed but it is pending!"
            loop.close()
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            del task
            gc.collect()
        idle.clear()
        assert open_fds() == within
        rings.output(2)
        assert sequences(everything(reader)) == [0, 1]


def test_it_neither_spins_nor_makes_threads(
    rings: Rings, idle: list[asyncio.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0

    class CountingSelector(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            nonlocal turns
            turns += 1
            return super().select(timeout)

    async def main() -> int:
        idle.append(asyncio.Event())
        task = asyncio.ensure_future(take(reader, 1))
        await idle[0].wait()
        before = turns
        await asyncio.sleep(0.7)
        taken = turns - before
        assert threading.active_count() == threads
        rings.output(1)
        assert await task == [0]
        return taken

    threads = threading.active_count()
    monkeypatch.setattr(selectors, "DefaultSelector", CountingSelector)  # each loop makes one
    with bpf.RingBuffer(rings.events, Event) as reader:
        # Thousands, if it spun.
        assert 0 < run(main) < 20


def test_batches_can_be_awaited(rings: Rings, idle: list[asyncio.Event]) -> None:
    async def main() -> list[int]:
        idle.append(asyncio.Event())
        task = asyncio.ensure_future(reader.read_batch_async())
        await idle[0].wait()
        rings.output(5)
        numbers = sequences(await task)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read_batch_async(), 0.01)
        rings.output(600)
        numbers += sequences(await reader.read_batch_async())
        return numbers

    with bpf.RingBuffer(rings.events, Event) as reader:
        numbers = run(main)
        numbers += sequences(everything(reader))
    assert numbers == list(range(605))


@pytest.mark.needs("numpy")
def test_batches_of_arrays_can_be_awaited(rings: Rings) -> None:
    import numpy

    dtype = numpy.dtype([("sequence", "u8"), ("rest", "V24")])
    with bpf.RingBuffer(rings.events, dtype) as reader:
        rings.output(100)
        assert run(reader.read_batch_async)["sequence"].tolist() == list(range(100))


def test_loops_may_use_the_fd_themselves(rings: Rings) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[int]] = loop.create_future()

        def ready() -> None:
            future.set_result(sequences(everything(reader)))
            loop.remove_reader(reader)

        loop.add_reader(reader, ready)
        rings.output(4)
        return await future

    with bpf.RingBuffer(rings.events, Event) as reader:
        assert run(main) == [0, 1, 2, 3]


def test_a_short_record_comes_out_of_an_async_for(rings: Rings) -> None:
    async def main() -> list[int]:
        numbers: list[int] = []
        for _ in range(2):
            with contextlib.suppress(bpf.events.ShortRecordError):
                async for event in reader:
                    numbers.append(event.sequence)
                    if len(numbers) == 2:
                        break
        return numbers

    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(1)
        rings.output(1, 8)
        rings.output(1)
        assert run(main) == [0, 2]
