# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Arenas: memory that programs and this process share."""

from __future__ import annotations

import gc
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pylibbpf import ClosedError, ExistsError, Object, StateError, _native
from pylibbpf.maps import Arena

pytestmark = [
    pytest.mark.needs("root", "nolock_allocation"),
    pytest.mark.kernel("6.9", "arenas"),
]

PAGES = 16
# Above what the kernel hands out by itself, and a multiple of 4 GB.
ADDRESS = 1 << 45


def test_its_memory_is_all_of_it_and_outlives_the_map() -> None:
    with Arena.create(max_entries=PAGES) as arena:
        memory = arena.memory()
        assert (memory.nbytes, memory.format, memory.readonly) == (PAGES * mmap.PAGESIZE, "B", False)
        memory[:5] = b"hello"
        again = arena.memory()
        assert bytes(again[:5]) == b"hello"
        assert arena.address % mmap.PAGESIZE == 0
    assert bytes(memory[:5]) == b"hello"
    with pytest.raises(ClosedError):
        arena.memory()


def test_an_arena_has_one_address_only() -> None:
    with Arena.create(max_entries=PAGES) as arena, Arena.from_fd(arena.fd) as same:
        memory = arena.memory()
        with pytest.raises(StateError, match="map_extra"):
            same.memory()
        memory.release()


def test_an_address_that_was_asked_for_is_used_and_freed() -> None:
    with (
        Arena.create(max_entries=PAGES, map_extra=ADDRESS) as arena,
        Arena.from_fd(arena.fd) as same,
    ):
        memory = arena.memory()
        assert arena.address == ADDRESS
        memory[7] = 7
        with pytest.raises(ExistsError, match="is taken"):
            same.memory()
        memory.release()
        del memory
        gc.collect()
        _native.collect()
        assert same.memory()[7] == 7


def test_that_of_an_object_keeps_libbpfs_mapping(bpf_object: Callable[[str], Path]) -> None:
    with Object.open(bpf_object("maps_arena")) as obj:
        arena = obj.map("memory", Arena)
        with pytest.raises(StateError):
            arena.memory()
        obj.load()
        memory = arena.memory()
        memory[0] = 1
        assert bytes(arena.memory()[:1]) == b"\1"
        memory[(PAGES - 1) * mmap.PAGESIZE] = 2
    assert (memory[0], memory[(PAGES - 1) * mmap.PAGESIZE]) == (1, 2)
    memory.release()


def test_a_child_has_it_too() -> None:
    with Arena.create(max_entries=PAGES) as arena:
        memory = arena.memory()
        child = os.fork()
        if not child:
            memory[3] = 3
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert memory[3] == 3
