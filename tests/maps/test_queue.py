# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Queues and stacks."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from pylibbpf import BpfError, Object
from pylibbpf.enums import UpdateFlags
from pylibbpf.maps import Queue, Stack

pytestmark = pytest.mark.needs("root")


def test_a_queue_gives_the_oldest_value_first(loaded: Object) -> None:
    line: Queue[int] = loaded.map("line", Queue)
    for value in (1, 2, 3):
        line.push(value)
    assert line.peek() == 1
    assert [line.pop(), line.pop(), line.pop()] == [1, 2, 3]


def test_a_stack_gives_the_newest_value_first(loaded: Object) -> None:
    pile: Any = loaded.map("pile", Stack)
    pile.push({"x": 1, "y": -1})
    pile.push({"x": 2, "y": -2})
    top = pile.peek()
    assert (top.x, top.y) == (2, -2)
    assert [pile.pop().x, pile.pop().x] == [2, 1]


@pytest.mark.parametrize("name", ["line", "pile"])
def test_an_empty_one_is_an_index_error(loaded: Object, name: str) -> None:
    map: Any = loaded.maps[name]
    for access in (map.pop, map.peek):
        with pytest.raises(IndexError, match=name):
            access()
    assert bool(map)


def test_a_full_one_refuses_or_drops_the_oldest(loaded: Object) -> None:
    line: Queue[int] = loaded.map("line", Queue)
    for value in (1, 2, 3):
        line.push(value)
    with pytest.raises(BpfError, match="max_entries is 3") as caught:
        line.push(4)
    assert caught.value.errno == errno.E2BIG
    line.push(4, UpdateFlags.EXIST)
    assert [line.pop(), line.pop(), line.pop()] == [2, 3, 4]


def test_a_value_that_does_not_fit_is_not_pushed(loaded: Object) -> None:
    line: Any = loaded.map("line", Queue)
    for value in (-1, 1 << 32, "1", None):
        with pytest.raises((OverflowError, TypeError)):
            line.push(value)
    with pytest.raises(IndexError):
        line.peek()


def test_one_of_bytes_made_by_itself() -> None:
    with Queue.create(value_size=3, max_entries=2) as queue:
        queue.push(b"abc")
        with pytest.raises(ValueError, match="3 bytes"):
            queue.push(b"abcd")
        assert queue.pop() == b"abc"
