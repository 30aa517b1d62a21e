# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""User ring buffers: what Python submits is what a program drains, and nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.events import UserRingBuffer
from tests.conftest import open_fds
from tests.events.rings import everything, in_thread, run_program

pytestmark = [
    pytest.mark.needs("root", "vmlinux_btf"),
    pytest.mark.kernel("6.1", "user ring buffers"),
]

RING = 4096


class Command(ctypes.Structure):
    _fields_ = (("number", ctypes.c_uint64), ("kind", ctypes.c_uint32), ("text", ctypes.c_char * 20))


class Commands:
    """The object of tests/bpf/user_ring.bpf.c, loaded."""

    def __init__(self, obj: bpf.Object, echoes: bpf.RingBuffer[Any]) -> None:
        self.obj = obj
        self.map = obj.maps["commands"]
        self._echoes = echoes

    def drain(self) -> list[tuple[int, int, bytes]]:
        """Lets the program drain the ring; returns what it found."""
        run_program(self.obj, "drain")
        return [(event.number, event.kind, event.text) for event in everything(self._echoes)]


@pytest.fixture
def commands(bpf_object: Callable[[str], Path]) -> Iterator[Commands]:
    with bpf.Object.open(bpf_object("user_ring")) as obj:
        obj.load()
        with bpf.RingBuffer(obj.maps["echoes"], "struct command") as echoes:
            yield Commands(obj, echoes)


@pytest.mark.parametrize("type", ["struct command", Command], ids=str)
def test_the_program_sees_records_in_order(commands: Commands, type: Any) -> None:
    with UserRingBuffer(commands.map, type) as ring:
        for number in range(3):
            with ring.reserve() as command:
                command.number = number
                command.kind = number + 10
                command.text = b"text"
        assert commands.drain() == [(0, 10, b"text"), (1, 11, b"text"), (2, 12, b"text")]
        assert commands.drain() == []


def test_an_exception_discards_the_record(commands: Commands) -> None:
    with UserRingBuffer(commands.map, Command) as ring:
        with pytest.raises(LookupError), ring.reserve() as command:  # noqa: PT012
            command.number = 1
            raise LookupError
        with ring.reserve() as command:
            command.number = 2
        assert commands.drain() == [(2, 0, b"")]


def test_records_of_any_size_are_memoryviews(commands: Commands) -> None:
    with UserRingBuffer(commands.map) as ring:
        with ring.reserve(32) as view:
            assert (type(view), len(view), bytes(view)) == (memoryview, 32, bytes(32))
            struct.pack_into("=QI5s", view, 0, 7, 8, b"bytes")
        with ring.reserve(3) as view:
            view[:] = b"abc"
        with ring.reserve(0):
            pass
        assert commands.drain() == [(7, 8, b"bytes")]
        assert commands.obj.variables["drained"].value == 3


def test_what_is_kept_of_a_record_cannot_write_into_the_ring(commands: Commands) -> None:
    with UserRingBuffer(commands.map, Command) as ring:
        with ring.reserve() as command:
            command.number = 1
        command.number = 2
        assert commands.drain() == [(1, 0, b"")]


def test_records_can_be_finished_by_hand_and_once(commands: Commands) -> None:
    with UserRingBuffer(commands.map, Command) as ring:
        first, second, third = (ring.reserve() for _ in range(3))
        for number, record in enumerate((first, second, third)):
            record.value.number = number
        third.submit()
        assert commands.drain() == []  # none behind one that is not finished
        second.discard()
        first.submit()
        assert commands.drain() == [(0, 0, b""), (2, 0, b"")]
        for finished in (first.submit, second.discard, first.__enter__):
            with pytest.raises(bpf.StateError, match="already"):
                finished()
        with ring.reserve() as command, contextlib.suppress(bpf.StateError):
            command.number = 9
        with ring.reserve() as command:
            command.number = 10
    assert [number for number, *_ in commands.drain()] == [9, 10]


def test_a_full_ring_is_an_error_and_has_space_after_a_drain(commands: Commands) -> None:
    fitting = RING // (ctypes.sizeof(Command) + 8)
    with UserRingBuffer(commands.map, Command) as ring:
        for _ in range(fitting):
            with ring.reserve():
                pass
        for timeout in (0, 0.01):
            with pytest.raises(bpf.BpfError, match="no program has drained it") as refused:
                ring.reserve(timeout=timeout)
            assert refused.value.errno == errno.ENOSPC
        assert len(commands.drain()) == fitting
        with ring.reserve():
            pass


def test_a_record_larger_than_the_ring_is_an_error(commands: Commands) -> None:
    with UserRingBuffer(commands.map) as ring:
        with pytest.raises(bpf.BpfError, match="more than the ring has") as refused:
            ring.reserve(RING, timeout=None)
        assert refused.value.errno == errno.E2BIG
        ring.reserve(RING - 8).discard()


@pytest.mark.parametrize("some_space", [False, True])
def test_reserve_waits_for_space(commands: Commands, waiting: threading.Event, some_space: bool) -> None:
    def drain() -> None:
        waiting.wait()
        commands.drain()

    with UserRingBuffer(commands.map) as ring:
        ring.reserve(RING - (40 if some_space else 8)).submit()
        with in_thread(drain), ring.reserve(64, timeout=30) as view:
            assert len(view) == 64


def test_close_ends_a_wait_for_space(commands: Commands, waiting: threading.Event) -> None:
    ring = UserRingBuffer(commands.map)
    ring.reserve(RING - 8).submit()

    def close() -> None:
        waiting.wait()
        ring.close()

    with in_thread(close), pytest.raises(bpf.ClosedError):
        ring.reserve(8, timeout=None)
    with pytest.raises(bpf.ClosedError):
        ring.reserve(8)
    assert ring.closed
    assert repr(ring) == "<UserRingBuffer of 'commands': bytes, closed>"


def test_a_record_can_be_submitted_after_close(commands: Commands) -> None:
    ring: UserRingBuffer[Any] = UserRingBuffer(commands.map, Command)
    with ring.reserve() as command:
        ring.close()
        command.number = 5
    assert commands.drain() == [(5, 0, b"")]


def test_threads_may_produce_together(commands: Commands) -> None:
    with UserRingBuffer(commands.map, Command) as ring:

        def produce(kind: int) -> None:
            for number in range(20):
                with ring.reserve(timeout=30) as command:
                    command.number, command.kind = number, kind

        threads = [threading.Thread(target=produce, args=(kind,)) for kind in range(4)]
        for thread in threads:
            thread.start()
        received: list[tuple[int, int, bytes]] = []
        while len(received) < 80:
            received += commands.drain()
        for thread in threads:
            thread.join()
    for kind in range(4):
        assert [number for number, its, _ in received if its == kind] == list(range(20))


def test_an_interrupted_reserve_leaves_nothing_behind(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    with UserRingBuffer(commands.map, Command) as ring:
        hold = bpf.events.UserRecord._hold

        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(bpf.events.UserRecord, "_hold", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ring.reserve()
        monkeypatch.setattr(bpf.events.UserRecord, "_hold", hold)
        with ring.reserve() as command:
            command.number = 4
        assert commands.drain() == [(4, 0, b"")]


def test_a_record_that_is_forgotten_warns(commands: Commands) -> None:
    with UserRingBuffer(commands.map, Command) as ring, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        record = ring.reserve()
        handle = ring._handle
        del record
        assert ["neither submitted nor discarded" in str(warning.message) for warning in caught] == [True]
        caught.clear()
    assert handle.closed


def test_a_forked_child_cannot_produce(commands: Commands) -> None:
    commands.map.fileno()
    before = open_fds()
    with UserRingBuffer(commands.map, Command) as ring:
        mine = set(open_fds()) - set(before)
        child = os.fork()
        if not child:
            status = 1
            try:
                with contextlib.suppress(bpf.StateError):
                    ring.reserve()
                    os._exit(3)
                ring.close()
                status = 0 if not mine & set(open_fds()) else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with ring.reserve() as command:
            command.number = 1
        assert commands.drain() == [(1, 0, b"")]


def test_nonsense_is_refused(commands: Commands) -> None:
    with pytest.raises(bpf.MapTypeError, match="not USER_RINGBUF"):
        UserRingBuffer(commands.obj.maps["echoes"])
    with pytest.raises(TypeError):
        UserRingBuffer(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="structs or unions"):
        UserRingBuffer(commands.map, "__u64")
    with pytest.raises(bpf.NameNotFoundError):
        UserRingBuffer(commands.map, "struct comand")
    with UserRingBuffer(commands.map, Command) as typed, pytest.raises(TypeError, match="have a type"):
        typed.reserve(3)
    with UserRingBuffer(commands.map) as ring:
        with pytest.raises(TypeError, match="say a size"):
            ring.reserve()
        for size in (-1, 1 << 30):
            with pytest.raises(ValueError, match="bytes"):
                ring.reserve(size)
