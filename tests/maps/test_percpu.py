# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Per-CPU maps: a list with a value for each possible CPU, whatever the size of one."""

from __future__ import annotations

from typing import Any

import pytest

from pylibbpf import BpfError, Btf, Object, num_possible_cpus
from pylibbpf.enums import MapType, UpdateFlags
from pylibbpf.maps import PerCpuArray, PerCpuHashMap

pytestmark = pytest.mark.needs("root")


@pytest.fixture(params=[MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH])
def per_cpu(request: pytest.FixtureRequest, vmlinux: Btf) -> Any:
    with PerCpuHashMap.create(
        request.param, btf=vmlinux, key_type="u32", value_type="u16", max_entries=100
    ) as map:
        yield map


def test_each_cpu_has_its_own_value(per_cpu: PerCpuHashMap[int, int]) -> None:
    wanted = list(range(1, num_possible_cpus() + 1))
    per_cpu[5] = wanted
    assert per_cpu[5] == wanted
    assert dict(per_cpu) == {5: wanted}
    assert dict(per_cpu.items()) == {5: wanted}
    raw = per_cpu.lookup_bytes(b"\5\0\0\0")
    assert raw is not None
    assert len(raw) == 8 * num_possible_cpus()
    assert [int.from_bytes(raw[at : at + 2], "little") for at in range(0, len(raw), 8)] == wanted


def test_a_list_of_another_length_or_a_value_that_does_not_fit_writes_nothing(
    per_cpu: PerCpuHashMap[int, Any],
) -> None:
    cpus = num_possible_cpus()
    for broken in ([1] * (cpus + 1), [], 1, "12", b"12", [1 << 16] * cpus, [None] * cpus):
        with pytest.raises((ValueError, TypeError, OverflowError)):
            per_cpu[1] = broken
    assert len(per_cpu) == 0


def test_structs_per_cpu(loaded: Object) -> None:
    points: Any = loaded.maps["points_per_cpu"]
    points[1] = [{"x": cpu, "y": -cpu} for cpu in range(num_possible_cpus())]
    assert [(point.x, point.y) for point in points[1]] == [(cpu, -cpu) for cpu in range(num_possible_cpus())]
    del points[1]
    assert 1 not in points


def test_values_of_many_keys_are_walked_in_batches(per_cpu: PerCpuHashMap[int, int]) -> None:
    for key in range(50):
        per_cpu[key] = [key] * num_possible_cpus()
    found = dict(per_cpu.items())
    assert found
    assert all(values == [key] * num_possible_cpus() for key, values in found.items())
    if per_cpu.type == MapType.PERCPU_HASH:
        assert sorted(found) == list(range(50))


def test_per_cpu_arrays_are_walked(vmlinux: Btf) -> None:
    with PerCpuArray.create(btf=vmlinux, value_type="u64", max_entries=40) as map:
        map[39] = [1 << 40] * num_possible_cpus()
        assert list(map.items())[38:] == [
            (38, [0] * num_possible_cpus()),
            (39, [1 << 40] * num_possible_cpus()),
        ]


def test_one_cpu_is_written_and_read_by_flags_where_the_kernel_knows_them(
    per_cpu: PerCpuHashMap[int, int],
) -> None:
    cpus = num_possible_cpus()
    try:
        per_cpu.put(1, 7, UpdateFlags.ALL_CPUS)
    except BpfError:
        assert 1 not in per_cpu
        return
    assert per_cpu[1] == [7] * cpus
    last = cpus - 1
    per_cpu.put(1, 9, UpdateFlags.CPU | last << 32)
    assert per_cpu[1] == [7] * last + [9]
    one: Any = per_cpu.lookup(1, UpdateFlags.CPU | last << 32)
    assert one == 9
