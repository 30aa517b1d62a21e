# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Lines of programs: their own streams (6.17), and the kernel's trace_pipe."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.events import ProgramStream, Stream, TracePipe
from tests.events.rings import in_thread, run_program

pytestmark = [
    pytest.mark.needs("root", "vmlinux_btf"),
    pytest.mark.kernel("5.10", "test runs of raw tracepoint programs"),
]


# --- streams of a program ---------------------------------------------------------------------


@pytest.fixture
def speaker(bpf_object: Callable[[str], Path]) -> Iterator[bpf.Object]:
    """The object of tests/bpf/output_streams.bpf.c, loaded."""
    with bpf.Object.open(bpf_object("output_streams")) as obj:
        obj.load()
        yield obj


@pytest.mark.needs("bpf_streams")
def test_streams_give_their_lines_apart(speaker: bpf.Object) -> None:
    program = speaker.programs["speak"]
    with ProgramStream(program) as out, ProgramStream(program, Stream.STDERR) as errors:
        assert out.read_lines(timeout=0) == []
        run_program(speaker, "speak")
        run_program(speaker, "speak")
        assert out.read_lines() == ["line 1", "line 2"]
        assert errors.read_lines() == ["error 1", "and more, error 2"]
        assert errors.unfinished == "and more, "
        assert out.read_lines(timeout=0.01) == []


@pytest.mark.needs("bpf_streams")
def test_iteration_waits_for_lines_and_ends_with_close(speaker: bpf.Object, waiting: threading.Event) -> None:
    def write() -> None:
        waiting.wait()
        run_program(speaker, "speak")

    stream = ProgramStream(speaker.programs["speak"].fd, interval=0.01)
    with in_thread(write):
        assert next(iter(stream)) == "line 1"
    waiting.clear()

    def close() -> None:
        waiting.wait()
        stream.close()

    with in_thread(close):
        assert list(stream) == []
    with pytest.raises(bpf.ClosedError):
        stream.read_lines()


@pytest.mark.needs("bpf_streams")
def test_a_stream_outlives_its_object(speaker: bpf.Object) -> None:
    with ProgramStream(speaker.programs["speak"]) as stream:
        run_program(speaker, "speak")
        speaker.close()
        assert stream.read_lines() == ["line 1"]


@pytest.mark.needs("bpf_streams")
def test_async_for_gives_lines(speaker: bpf.Object) -> None:
    async def main() -> list[str]:
        lines: list[str] = []
        async for line in stream:
            lines.append(line)
            run_program(speaker, "speak")
            if len(lines) == 3:
                break
        return lines

    with ProgramStream(speaker.programs["speak"], interval=0.01) as stream:
        run_program(speaker, "speak")
        assert asyncio.run(asyncio.wait_for(main(), 30)) == ["line 1", "line 2", "line 3"]


@pytest.mark.needs("libbpf_1_7")
def test_a_kernel_without_streams_says_so(bpf_object: Callable[[str], Path]) -> None:
    with bpf.Object.open(bpf_object("trace_pipe")) as obj:
        obj.load()
        with ProgramStream(obj.programs["speak"]) as stream:
            try:
                assert stream.read_lines(timeout=0) == []
            except bpf.NotSupportedError as error:
                assert "Linux 6.17" in str(error)  # noqa: PT017 - either is right, by kernel
        for options in ({"stream": 3}, {"interval": 0}):
            with pytest.raises(ValueError, match=r"3|interval"):
                ProgramStream(obj.programs["speak"], **options)
        with pytest.raises(TypeError):
            ProgramStream("speak")  # type: ignore[arg-type]


# --- trace_pipe -------------------------------------------------------------------------------


@pytest.fixture
def printer(bpf_object: Callable[[str], Path]) -> Iterator[bpf.Object]:
    """The object of tests/bpf/trace_pipe.bpf.c, loaded."""
    with bpf.Object.open(bpf_object("trace_pipe")) as obj:
        obj.load()
        yield obj


@pytest.fixture
def trace_pipe() -> Iterator[Path]:
    """The trace_pipe of a tracing instance of our own, in which bpf_printk is traced.

    The system's may have a reader: before Linux 6.6 two readers take each other's lines, and since then
    (c2489bb7e6be) there can be only one.
    """
    instance = Path(f"/sys/kernel/tracing/instances/pylibbpf-{random.randrange(1 << 60):x}")
    instance.mkdir()
    # Lines are put in order by their time, and the default clock is each CPU's own.
    (instance / "trace_clock").write_text("global")
    # Since Linux 5.9 bpf_printk is an event (ac5a72ea5c89).
    (instance / "events/bpf_trace/bpf_trace_printk/enable").write_text("1")
    yield instance / "trace_pipe"
    instance.rmdir()


def ours(lines: Any, first: int) -> Iterator[int]:
    """The numbers in our lines, less the first: others may use bpf_printk, too."""
    for line in lines:
        if "pylibbpf says" in line:
            number = int(line.rpartition(" ")[2]) - first
            if 0 <= number < 100:
                yield number


@pytest.fixture
def first() -> int:
    """The first of a hundred numbers that no other test writes."""
    return random.randrange(1 << 60)


@pytest.mark.needs("tracefs")
def test_trace_pipe_gives_lines(printer: bpf.Object, trace_pipe: Path, first: int) -> None:
    with TracePipe(trace_pipe) as pipe:
        for number in (1, 2, 3):
            run_program(printer, "speak", first + number)
        assert list(islice(ours(pipe, first), 3)) == [1, 2, 3]


@pytest.mark.needs("tracefs")
def test_trace_pipe_waits_and_close_ends_the_wait(
    printer: bpf.Object, trace_pipe: Path, waiting: threading.Event, first: int
) -> None:
    pipe = TracePipe(trace_pipe)

    def write() -> None:
        waiting.wait()
        run_program(printer, "speak", first + 7)

    with in_thread(write):
        assert next(ours(pipe, first)) == 7
    waiting.clear()

    def close() -> None:
        waiting.wait()
        pipe.close()

    with in_thread(close):
        assert list(ours(pipe, first)) == []
    assert pipe.closed


@pytest.mark.needs("tracefs")
def test_async_for_gives_lines_of_trace_pipe(printer: bpf.Object, trace_pipe: Path, first: int) -> None:
    async def main() -> list[int]:
        numbers: list[int] = []
        run_program(printer, "speak", first + 1)
        async for line in pipe:
            for number in ours([line], first):
                numbers.append(number)
                run_program(printer, "speak", first + number + 1)
            if len(numbers) == 3:
                break
        return numbers

    with TracePipe(trace_pipe) as pipe:
        assert asyncio.run(asyncio.wait_for(main(), 30)) == [1, 2, 3]


@pytest.mark.needs("tracefs")
def test_the_trace_pipe_of_the_system_is_the_default() -> None:
    try:
        with TracePipe() as pipe, pipe._handle as fd:
            assert os.readlink(f"/proc/self/fd/{fd}") == "/sys/kernel/tracing/trace_pipe"
    except bpf.BpfError as error:
        # The kernel's word that somebody else has it open (6.6).
        assert error.errno == errno.EBUSY  # noqa: PT017 - and no other
        assert (error.operation, error.subject) == ("open", "'/sys/kernel/tracing/trace_pipe'")  # noqa: PT017


def test_a_path_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(bpf.NotFoundError, match="Mount tracefs"):
        TracePipe(tmp_path / "trace_pipe")


def test_a_trace_pipe_of_ones_own_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "trace_pipe"
    path.write_bytes(b"one\ntw\xff\nthr")
    with TracePipe(path) as pipe:
        assert pipe.read_lines() == ["one", "tw\udcff"]
        assert pipe.unfinished == "thr"
