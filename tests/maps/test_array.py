# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Arrays: every index is always there."""

from __future__ import annotations

from typing import Any

import pytest

from pylibbpf import ExistsError, NotSupportedError, Object
from pylibbpf.enums import UpdateFlags
from pylibbpf.maps import ArrayMap, PerCpuArray
from tests.maps.conftest import run

pytestmark = pytest.mark.needs("root")


def test_elements_begin_as_zero_and_keep_what_is_written(cells: ArrayMap[int]) -> None:
    assert dict(cells) == dict.fromkeys(range(10), 0)
    cells[3] = -300
    assert cells[3] == -300
    assert list(cells.values()) == [0, 0, 0, -300, 0, 0, 0, 0, 0, 0]
    assert list(cells.items())[3] == (3, -300)
    assert list(cells) == list(cells.keys()) == list(range(10))


def test_its_length_is_max_entries(cells: ArrayMap[int]) -> None:
    assert len(cells) == len(cells.values()) == 10


def test_an_index_behind_the_end_is_a_key_error(cells: ArrayMap[int]) -> None:
    for access in (lambda: cells[10], lambda: cells.put(10, 1), lambda: cells.__setitem__(10, 1)):
        with pytest.raises(KeyError) as caught:
            access()
        assert caught.value.args == (10,)
    assert cells.get(10, 5) == 5
    assert 9 in cells
    assert 10 not in cells


@pytest.mark.parametrize("index", [-1, 1 << 32, 1.0, "0"])
def test_what_is_no_index_raises(cells: ArrayMap[Any], index: Any) -> None:
    with pytest.raises((OverflowError, TypeError)):
        cells[index]
    with pytest.raises((OverflowError, TypeError)):
        cells[index] = 0


def test_elements_cannot_be_deleted(cells: ArrayMap[int]) -> None:
    cells[1] = 5
    with pytest.raises(NotSupportedError, match="zero"):
        del cells[1]
    with pytest.raises(NotSupportedError, match="zero"):
        cells.pop(1)
    with pytest.raises(ExistsError):
        cells.put(1, 6, UpdateFlags.NO_EXIST)
    assert cells[1] == 5


def test_clear_writes_zeroes(cells: ArrayMap[int]) -> None:
    for index in cells:
        cells[index] = index
    cells.clear()
    assert set(cells.values()) == {0}


def test_the_program_adds_to_what_python_wrote(loaded: Object) -> None:
    slots: ArrayMap[int] = loaded.map("slots", ArrayMap)
    slots[1] = 100
    run(loaded)
    run(loaded)
    assert slots[1] == 120


def test_a_per_cpu_array_has_a_value_for_every_possible_cpu(loaded: Object) -> None:
    runs: PerCpuArray[int] = loaded.map("runs_per_cpu", PerCpuArray)
    before = runs[0]
    run(loaded)
    assert sum(runs[0]) == sum(before) + 1
