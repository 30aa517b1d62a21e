# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Ring buffers: what programs write is what Python reads, in order, once, whatever interrupts it."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import pickle
import select
import signal
import struct
import threading
import warnings
from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.events import ShortRecordError
from tests.conftest import open_fds
from tests.events.rings import (
    EVENT_SIZE,
    MOST_RECORDS,
    NO_WAKEUP,
    Event,
    Rings,
    everything,
    in_thread,
    sequences,
)

pytestmark = [
    pytest.mark.needs("root", "vmlinux_btf"),
    pytest.mark.kernel("5.10", "test runs of raw tracepoint programs"),
]

# --- what comes out ---------------------------------------------------------------------


@pytest.mark.parametrize("type", ["struct event", "event", Event], ids=str)
def test_events_are_typed_and_in_order(rings: Rings, type: Any) -> None:
    with bpf.RingBuffer(rings.events, type) as reader:
        rings.output(2000)
        events = list(islice(reader, 2000))
    assert [(event.sequence, event.size, event.ring) for event in events] == [
        (sequence, EVENT_SIZE, 0) for sequence in range(2000)
    ]


def test_a_btf_type_is_a_type(rings: Rings) -> None:
    assert rings.obj.btf is not None
    with bpf.RingBuffer(rings.events, rings.obj.btf.find("struct event")) as reader:
        rings.reserve(1, 0)
        (event,) = reader.read_batch()
        assert event.asdict() == {"sequence": 0, "size": EVENT_SIZE, "ring": 0, "comm": b"reserved"}


def test_a_btf_type_that_is_no_struct_gives_plain_values(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, "__u64") as reader:
        rings.output(3)
        assert reader.read_batch() == [0, 1, 2]


def test_a_name_is_looked_up_in_the_kernel_too(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, "struct list_head") as reader:
        rings.output(2, 16)
        assert [event.next for event in reader.read_batch()] == [0, 1]


def test_a_name_is_looked_up_in_the_btf_that_is_given(rings: Rings) -> None:
    assert rings.obj.btf is not None
    with (
        bpf.maps.Map.from_fd(rings.events.fd) as alone,
        bpf.RingBuffer(alone, "struct event", btf=rings.obj.btf) as reader,
    ):
        rings.output(1)
        assert sequences(reader.read_batch()) == [0]


def test_without_a_type_records_are_bytes_of_their_own_size(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events) as reader:
        for size in (1, 0, 7, 8, 9, 4096):
            rings.output(1, size)
        records = reader.read_batch()
        assert [type(record) for record in records] == [bytes] * 6
        assert [len(record) for record in records] == [1, 0, 7, 8, 9, 4096]
        assert records[4][:8] == struct.pack("Q", 4)


def test_events_outlive_the_reader_and_the_next_round_of_the_ring(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(3)
        kept = reader.read_batch()
        size = rings.events.max_entries
        for _ in range(2 * size // (MOST_RECORDS * (EVENT_SIZE + 8))):
            rings.output(MOST_RECORDS)
            everything(reader)
    assert sequences(kept) == [0, 1, 2]
    kept[0].sequence = 99
    assert sequences(kept) == [99, 1, 2]


def test_a_record_larger_than_its_type_gives_its_first_bytes(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(1, 1000)
        rings.output(1)
        assert [(event.sequence, event.size) for event in reader.read_batch()] == [(0, 1000), (1, EVENT_SIZE)]


def test_a_record_larger_than_a_batch_comes_whole(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events) as reader:
        for size in (300_000, 400_000, 10, 20):
            rings.output(1, size)
        assert [len(record) for record in everything(reader)] == [300_000, 400_000, 10, 20]


def test_discarded_records_do_not_show(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.reserve(300, 2)
        assert sequences(everything(reader)) == list(range(2, 300, 3))
        rings.reserve(10, 100)
        assert everything(reader) == []


def test_records_without_a_wakeup_are_there_after_a_timeout(rings: Rings, waiting: threading.Event) -> None:
    def write() -> None:
        waiting.wait()
        rings.output(3, flags=NO_WAKEUP)

    with bpf.RingBuffer(rings.events, Event) as reader, in_thread(write):
        assert sequences(reader.read_batch(timeout=20)) == [0, 1, 2]


# --- records that are too short -----------------------------------------------------------


def test_a_record_smaller_than_its_type_is_an_error_in_its_place(rings: Rings) -> None:
    received: list[int | bytes] = []
    with bpf.RingBuffer(rings.events, "struct event") as reader:
        rings.output(2)
        rings.output(2, 8)
        rings.output(1)
        while len(received) < 5:
            try:
                for event in reader:
                    received.append(event.sequence)
                    if len(received) == 5:
                        break
            except ShortRecordError as error:
                received.append(error.record)
    assert received == [0, 1, struct.pack("Q", 2), struct.pack("Q", 3), 4]


def test_the_error_of_a_short_record_counts_and_names(rings: Rings) -> None:
    with bpf.RingBuffer([rings.events, rings.others], "struct event") as reader:
        rings.output(1, 4, program="output_others")
        rings.output(1, 0, program="output_others")
        with pytest.raises(ShortRecordError) as first:
            reader.read_batch()
        with pytest.raises(ShortRecordError) as second:
            reader.read_batch()
        assert (first.value.map, len(first.value.record), first.value.count) == ("others", 4, 1)
        assert "'others'" in str(second.value)
        assert "It has 0 bytes, and struct event has 32. Records that are too short so far: 2." in str(
            second.value
        )
        copy = pickle.loads(pickle.dumps(first.value))
        assert (copy.record, copy.map, copy.count) == (first.value.record, "others", 1)
        assert reader.read_batch(timeout=0) == []


@pytest.mark.parametrize("type", [None, Event])
def test_a_length_that_no_record_can_have_is_an_error_and_no_overread(rings: Rings, type: Any) -> None:
    with bpf.RingBuffer(rings.events, type) as reader:
        rings.output(2, sequence=0x3FFF_FFFF)
        # What a second reader of the ring may do: the first record's data now stand where its header was.
        with mmap.mmap(rings.events.fileno(), mmap.PAGESIZE) as consumer_position:
            struct.pack_into("Q", consumer_position, 0, 8)
        with pytest.raises(bpf.FormatError, match="Is there another reader of this map"):
            reader.read_batch()
        assert reader.read_batch(timeout=0) == []


# --- several maps -------------------------------------------------------------------------


def test_a_busy_map_does_not_starve_another(rings: Rings) -> None:
    with bpf.RingBuffer([rings.events, rings.others], Event) as reader:
        rings.output(3 * MOST_RECORDS)
        rings.output(3, program="output_others")
        batches = [{event.ring for event in reader.read_batch()} for _ in range(2)]
        assert batches == [{0}, {0, 1}] or batches == [{0}, {1}]


def test_each_map_wakes_the_reader(rings: Rings) -> None:
    for program in ("output", "output_others"):
        with bpf.RingBuffer([rings.events, rings.others], Event) as reader:
            poll = select.poll()
            poll.register(reader, select.POLLIN)
            assert poll.poll(0) == []
            rings.output(1, program=program)
            assert poll.poll(20_000) == [(reader.fileno(), select.POLLIN)]
            assert len(reader.read_batch()) == 1
            assert poll.poll(0) == []


# --- waiting --------------------------------------------------------------------------------


def test_iteration_waits_for_events(rings: Rings, waiting: threading.Event) -> None:
    def write() -> None:
        waiting.wait()
        rings.output(1)

    with bpf.RingBuffer(rings.events, Event) as reader, in_thread(write):
        assert next(iter(reader)).sequence == 0


def test_ctrl_c_ends_the_wait_and_no_record_is_lost(rings: Rings, waiting: threading.Event) -> None:
    def interrupt() -> None:
        waiting.wait()
        os.kill(os.getpid(), signal.SIGINT)

    received = []
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(700)
        with in_thread(interrupt), pytest.raises(KeyboardInterrupt):  # noqa: PT012
            for event in reader:
                received.append(event.sequence)
        rings.output(700)
        received += sequences(everything(reader))
    assert received == list(range(1400))


def test_exceptions_of_signal_handlers_neither_lose_nor_repeat_a_record(rings: Rings) -> None:
    class Struck(Exception):  # noqa: N818
        pass

    armed = False

    def strike(*_: object) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise Struck

    def receive(reader: bpf.RingBuffer[Event], target: int) -> None:
        # A function of its own: CPython 3.13 leaves some jumps back of a loop out of the exception table
        # (python/cpython#130279), and what is raised there would pass by the `try` around the loop.
        for event in reader:
            received.append(event.sequence)
            if len(received) == target:
                return

    random = Random(1)
    received: list[int] = []
    strikes = 0
    # The longest time until a strike; more, on a machine that gets to no record within it.
    longest = 200e-6
    before = signal.signal(signal.SIGALRM, strike)
    # What is raised inside a callback of the collector goes nowhere; hypothesis has one.
    gc.disable()
    try:
        with bpf.RingBuffer(rings.events, Event) as reader:
            for target in range(MOST_RECORDS, 40 * MOST_RECORDS, MOST_RECORDS):
                rings.output(MOST_RECORDS)
                while len(received) < target:
                    had = len(received)
                    try:
                        armed = True
                        signal.setitimer(signal.ITIMER_REAL, random.uniform(10e-6, longest))
                        receive(reader, target)
                        armed = False
                    except Struck:
                        strikes += 1
                    longest = max(200e-6, longest / 1.2) if len(received) > had else longest * 1.2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    assert received == list(range(target))
    assert strikes > 0


def test_a_signal_handler_that_returns_does_not_end_the_wait(rings: Rings, waiting: threading.Event) -> None:
    handled = threading.Event()

    def disturb() -> None:
        waiting.wait()
        os.kill(os.getpid(), signal.SIGUSR1)
        handled.wait()
        rings.output(1)

    before = signal.signal(signal.SIGUSR1, lambda *_: handled.set())
    try:
        with bpf.RingBuffer(rings.events, Event) as reader, in_thread(disturb):
            assert sequences(reader.read_batch()) == [0]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_timeout_ends_the_wait(rings: Rings) -> None:
    calls: list[object] = []
    with bpf.RingBuffer(rings.events, None, calls.append) as reader:
        assert reader.read_batch(timeout=0) == []
        assert reader.read_batch(timeout=0.01) == []
        assert reader.poll(0) == reader.poll(0.01) == reader.consume() == 0
        assert calls == []


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_that_makes_no_sense_is_refused(rings: Rings, timeout: float) -> None:
    with bpf.RingBuffer(rings.events) as reader, pytest.raises(ValueError, match="timeout"):
        reader.read_batch(timeout=timeout)


# --- callbacks ------------------------------------------------------------------------------


def test_poll_and_consume_call_back_in_order(rings: Rings) -> None:
    received: list[int] = []
    with bpf.RingBuffer(rings.events, Event, lambda event: received.append(event.sequence)) as reader:
        rings.output(10)
        assert reader.poll() == 10
        rings.output(1200)
        assert reader.consume() == 1200
    assert received == list(range(1210))


def test_an_exception_in_a_callback_reaches_the_caller_and_loses_nothing(rings: Rings) -> None:
    received: list[int] = []

    def callback(event: Event) -> None:
        received.append(event.sequence)
        if event.sequence in (3, 600):
            raise LookupError(event.sequence)

    with bpf.RingBuffer(rings.events, Event, callback) as reader:
        rings.output(1000)
        with pytest.raises(LookupError, match="3"):
            reader.poll()
        assert received == [0, 1, 2, 3]
        with pytest.raises(LookupError, match="600"):
            reader.consume()
        reader.consume()
    assert received == list(range(1000))


def test_a_callback_may_close_the_reader(rings: Rings) -> None:
    received: list[int] = []

    def callback(event: Event) -> None:
        received.append(event.sequence)
        reader.close()

    reader = bpf.RingBuffer(rings.events, Event, callback)
    rings.output(10)
    assert reader.poll() == 1
    assert received == [0]
    with pytest.raises(bpf.ClosedError):
        reader.poll()


def test_poll_without_a_callback_is_refused(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events) as reader:
        for method in (reader.poll, reader.consume):
            with pytest.raises(bpf.StateError, match="without a callback"):
                method()


def test_reading_inside_of_a_read_is_refused(rings: Rings, monkeypatch: pytest.MonkeyPatch) -> None:
    with bpf.RingBuffer(rings.events) as reader:
        unpack = reader._records.unpack

        def interrupted(ring: Any, position: int) -> Any:
            # As a signal handler could, that runs between two lines of the reader.
            with pytest.raises(bpf.StateError, match="interrupted"):
                reader.read_batch(timeout=0)
            return unpack(ring, position)

        monkeypatch.setattr(reader._records, "unpack", interrupted)
        rings.output(2, 8)
        assert reader.read_batch() == [struct.pack("Q", 0), struct.pack("Q", 1)]


# --- the end ----------------------------------------------------------------------------------


def test_what_is_left_can_be_read_before_close(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(1300)
        first = next(iter(reader)).sequence
        assert [first, *sequences(everything(reader))] == list(range(1300))


def test_what_a_reader_leaves_in_the_ring_is_the_next_ones(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event):
        rings.output(3)
    with bpf.RingBuffer(rings.events, Event) as reader:
        assert sequences(reader.read_batch()) == [0, 1, 2]


def test_close_from_another_thread_ends_an_iteration(rings: Rings, waiting: threading.Event) -> None:
    reader = bpf.RingBuffer(rings.events, Event)

    def close() -> None:
        waiting.wait()
        reader.close()

    rings.output(3)
    with in_thread(close):
        assert sequences(reader) == [0, 1, 2]
    assert reader.closed


def test_close_from_another_thread_raises_in_a_waiting_call(rings: Rings, waiting: threading.Event) -> None:
    reader = bpf.RingBuffer(rings.events, Event)

    def close() -> None:
        waiting.wait()
        reader.close()

    with in_thread(close), pytest.raises(bpf.ClosedError, match="'events' is closed"):
        reader.read_batch()


def test_close_in_the_loop_ends_the_loop(rings: Rings) -> None:
    reader = bpf.RingBuffer(rings.events, Event)
    rings.output(10)
    for event in reader:
        assert event.sequence == 0
        reader.close()


def test_everything_but_close_is_refused_after_close(rings: Rings) -> None:
    reader = bpf.RingBuffer(rings.events, None, print)
    reader.close()
    reader.close()
    assert reader.closed
    assert repr(reader) == "<RingBuffer of 'events': bytes, closed>"
    for name in ("fileno", "read_batch", "poll", "consume", "__enter__", "__iter__"):
        with pytest.raises(bpf.ClosedError):
            getattr(reader, name)()


def test_readers_leave_no_fd_behind(rings: Rings) -> None:
    rings.output(1)
    with bpf.RingBuffer([rings.events, rings.others]):
        pass  # maps and programs make their own fd when they are first asked for it
    before = open_fds()
    for _ in range(50):
        with bpf.RingBuffer([rings.events, rings.others], Event) as reader:
            rings.output(1)
            reader.read_batch()
    assert open_fds() == before


def test_a_reader_outlives_its_map_and_its_object(rings: Rings) -> None:
    with bpf.RingBuffer(rings.events, Event) as reader:
        rings.output(3)
        rings.obj.close()
        gc.collect()
        assert sequences(reader.read_batch()) == [0, 1, 2]
        assert reader.read_batch(timeout=0.01) == []


def test_a_reader_that_is_dropped_warns_and_leaves_no_fd(rings: Rings) -> None:
    rings.events.fileno()
    before = open_fds()
    reader = bpf.RingBuffer(rings.events)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del reader
        gc.collect()
    messages = [(warning.category, str(warning.message)) for warning in caught]
    assert messages == [(ResourceWarning, "<RingBuffer of 'events': bytes> was not closed")]
    caught.clear()  # each has the reader as its source
    with bpf.RingBuffer(rings.events):  # the next call frees it
        pass
    assert open_fds() == before


# --- threads and processes ---------------------------------------------------------------------


def test_threads_that_read_together_share_the_records_out(rings: Rings) -> None:
    count = 30 * MOST_RECORDS
    received: list[list[int]] = [[] for _ in range(4)]
    seen = threading.Semaphore(0)

    def read(into: list[int]) -> None:
        for event in reader:
            into.append(event.sequence)
            seen.release()

    reader = bpf.RingBuffer(rings.events, Event)
    threads = [threading.Thread(target=read, args=(into,)) for into in received]
    for thread in threads:
        thread.start()
    rings.output(count)
    for _ in range(count):
        seen.acquire()
    reader.close()
    for thread in threads:
        thread.join()
    assert sorted(chain.from_iterable(received)) == list(range(count))
    for into in received:
        assert into == sorted(into)


def test_a_forked_child_cannot_read_and_closes_only_its_fds(rings: Rings) -> None:
    reader = bpf.RingBuffer([rings.events, rings.others], Event)
    rings.output(2)
    assert next(iter(reader)).sequence == 0
    iterator = iter(reader)
    mine = {fd for fd, target in open_fds().items() if "eventpoll" in target or "eventfd" in target}
    child = os.fork()
    if not child:
        status = 1
        try:
            refused = 0
            for call in (reader.read_batch, lambda: next(iterator), lambda: iter(reader)):
                try:
                    call()
                except bpf.StateError:
                    refused += 1
            reader.close()
            reader.close()
            status = 0 if refused == 3 and not mine & set(open_fds()) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    # The eventfd of both is one and the same file: the child must not have woken it.
    with reader._handle as ring:
        assert not select.select([ring.wake_fd], [], [], 0)[0]
    assert sequences(reader.read_batch()) == [1]
    rings.output(1)
    assert sequences(reader.read_batch()) == [2]
    reader.close()


# --- bad input -----------------------------------------------------------------------------------


def test_a_map_of_another_type_is_refused(rings: Rings) -> None:
    with pytest.raises(bpf.MapTypeError, match="'array' is of type ARRAY, not RINGBUF"):
        bpf.RingBuffer(rings.obj.maps["array"])
    with pytest.raises(bpf.MapTypeError):
        bpf.RingBuffer([rings.events, rings.obj.maps["array"]])
    for nonsense in ([], [3]):
        with pytest.raises((ValueError, TypeError), match="reader"):
            bpf.RingBuffer(nonsense)  # type: ignore[arg-type]


def test_a_map_that_is_not_loaded_is_refused(bpf_object: Callable[[str], Path]) -> None:
    with bpf.Object.open(bpf_object("ring")) as obj, pytest.raises(bpf.StateError):
        bpf.RingBuffer(obj.maps["events"], "struct event")


def test_an_unknown_type_name_is_refused_with_those_like_it(rings: Rings) -> None:
    with pytest.raises(bpf.NameNotFoundError, match="did you mean 'struct event'") as raised:
        bpf.RingBuffer(rings.events, "struct evnt")
    assert "clang leaves a type out that only local variables have" in str(raised.value)


class Pointer(ctypes.Structure):
    _fields_ = (("text", ctypes.c_char_p),)


class Nested(ctypes.Structure):
    _fields_ = (("number", ctypes.c_uint32), ("inner", Pointer * 2))


class Heir(Pointer):
    pass


class Linked(ctypes.Structure):
    _fields_ = (("next", ctypes.POINTER(ctypes.c_int)),)


@pytest.mark.parametrize("type", [Pointer, Nested, Heir, Linked])
def test_a_structure_with_pointers_is_refused(rings: Rings, type: Any) -> None:
    with pytest.raises(TypeError, match="no address"):
        bpf.RingBuffer(rings.events, type)


class Empty(ctypes.Structure):
    pass


@pytest.mark.parametrize(
    ("type", "error"), [(Empty, ValueError), (int, TypeError), (7, TypeError), (ctypes.c_int, TypeError)]
)
def test_what_is_no_type_of_records_is_refused(rings: Rings, type: Any, error: Any) -> None:
    with pytest.raises(error):
        bpf.RingBuffer(rings.events, type)
