# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Program statistics: counted while somebody keeps them enabled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.programs import enable_stats


@pytest.fixture
def program(bpf_object: Callable[[str], Path]) -> Iterator[bpf.Program]:
    with bpf.Object.load_file(bpf_object("plain")) as obj:
        yield next(iter(obj.programs.values()))


def run(program: bpf.Program, times: int) -> None:
    program.test_run(bytes(64), repeat=times)


def test_runs_are_counted_while_statistics_are_enabled(program: bpf.Program) -> None:
    run(program, 3)
    before = program.stats().run_count
    with enable_stats() as first, enable_stats() as second:
        run(program, 3)
        assert program.stats().run_count == before + 3
        assert program.stats().run_time_ns > 0
        assert program.stats().recursion_misses == 0
        assert first.fileno() != second.fileno()
        first.close()
        run(program, 2)
        assert program.stats().run_count == before + 5
    assert program.info().stats == program.stats()


@pytest.mark.needs("own_kernel")
def test_nothing_is_counted_once_nobody_keeps_them_enabled(program: bpf.Program) -> None:
    with enable_stats():
        run(program, 3)
    before = program.stats().run_count
    run(program, 4)
    assert program.stats().run_count == before


def test_closing_twice_is_harmless_and_asking_after_it_is_not() -> None:
    stats = enable_stats()
    assert repr(stats) == "<program statistics, enabled>"
    stats.close()
    stats.close()
    assert stats.closed
    with pytest.raises(bpf.ClosedError):
        stats.fileno()
    with pytest.raises(bpf.ClosedError), stats:
        pass


def test_dropping_them_warns() -> None:
    stats = enable_stats()
    with pytest.warns(ResourceWarning, match="were not closed"):
        del stats
