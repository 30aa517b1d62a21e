# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Many elements at a time: by system calls for many, and where there are none, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import BpfError, Btf, ExistsError, NotSupportedError, Object, num_possible_cpus
from pylibbpf.enums import UpdateFlags
from pylibbpf.maps import ArrayMap, HashMap, PerCpuArray, PerCpuHashMap
from tests import requirements
from tests.link.places import on_one_cpu

pytestmark = pytest.mark.needs("root")


@pytest.fixture(params=["batches", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways: as this kernel does it, and as kernels and kinds without batches do."""
    if request.param == "one by one":
        monkeypatch.setattr(HashMap, "_batches", False)
        monkeypatch.setattr(ArrayMap, "_batches", False)
        monkeypatch.setattr(PerCpuHashMap, "_batches", False)
    return str(request.param)


@pytest.fixture
def hash(vmlinux: Btf, way: str) -> Iterator[HashMap[int, int]]:
    with HashMap.create(btf=vmlinux, key_type="u32", value_type="u64", max_entries=2000) as map:
        yield map


def test_a_cursor_leads_through_the_whole_map(hash: HashMap[int, int]) -> None:
    wanted = {key: 3 * key for key in range(1000)}
    hash.update_batch(wanted.keys(), wanted.values())
    found: dict[int, int] = {}
    rounds = 0
    batch = hash.lookup_batch(100)
    while True:
        rounds += 1
        assert len(batch.keys) == len(batch.values) <= 110
        found.update(zip(batch.keys, batch.values, strict=True))
        if batch.cursor is None:
            break
        batch = hash.lookup_batch(100, batch.cursor)
    assert found == wanted
    assert rounds >= 10


def test_a_kept_cursor_goes_on_where_it_was_although_the_map_has_changed(hash: HashMap[int, int]) -> None:
    hash.update_batch(range(500), range(500))
    first = hash.lookup_batch(100)
    gone = set(range(0, 500, 5))
    assert hash.delete_batch(gone) == len(gone)
    seen, cursor = list(first.keys), first.cursor
    while cursor is not None:
        batch = hash.lookup_batch(100, cursor)
        seen += batch.keys
        cursor = batch.cursor
    assert len(seen) == len(set(seen))
    assert set(range(500)) - gone <= set(seen)


def test_an_empty_map_is_one_empty_batch(hash: HashMap[int, int]) -> None:
    batch = hash.lookup_batch()
    while batch.cursor is not None:
        assert batch.keys == []
        batch = hash.lookup_batch(cursor=batch.cursor)
    assert (batch.keys, batch.values, batch.cursor) == ([], [], None)


def test_a_batch_of_one_grows_until_a_bucket_fits(hash: HashMap[int, int]) -> None:
    hash.update_batch(range(2000), range(2000))
    seen: list[int] = []
    batch = hash.lookup_batch(1)
    while True:
        seen += batch.keys
        if batch.cursor is None:
            break
        batch = hash.lookup_batch(1, batch.cursor)
    assert sorted(seen) == list(range(2000))


@pytest.mark.kernel("5.14", "taking single elements out of a hash")
def test_elements_are_taken_out_in_batches(hash: HashMap[int, int]) -> None:
    hash.update_batch(range(300), range(300))
    taken: list[int] = []
    batch = hash.lookup_and_delete_batch(50)
    while True:
        taken += batch.values
        if batch.cursor is None:
            break
        batch = hash.lookup_and_delete_batch(50, batch.cursor)
    assert sorted(taken) == list(range(300))
    assert len(hash) == 0


def test_deleting_passes_over_what_is_not_there(hash: HashMap[int, int]) -> None:
    hash.update_batch(range(10), range(10))
    assert hash.delete_batch([100, 0, 1, 101, 102, 9, 103]) == 3
    assert sorted(hash) == [2, 3, 4, 5, 6, 7, 8]
    assert hash.delete_batch([]) == 0


def test_what_does_not_fit_is_refused_before_anything_is_written(hash: HashMap[int, int]) -> None:
    with pytest.raises(OverflowError, match=r"keys\[2\]: 4294967296 does not fit"):
        hash.update_batch([1, 2, 1 << 32], [1, 2, 3])
    with pytest.raises(TypeError, match=r"values\[1\]"):
        hash.update_batch([1, 2], [1, 2.5])
    with pytest.raises(ValueError, match="2 keys and 1 values"):
        hash.update_batch([1, 2], [1])
    with pytest.raises(TypeError, match="a sequence"):
        hash.update_batch(b"12345678", [1, 2])
    with pytest.raises(TypeError, match="a sequence"):
        hash.delete_batch(7)
    assert len(hash) == 0


def test_a_full_map_says_how_many_were_written(hash: HashMap[int, int]) -> None:
    with pytest.raises(BpfError, match=r"max_entries is 2000.* 2000 of 2100 elements were written") as caught:
        hash.update_batch(range(2100), range(2100))
    assert caught.value.errno == 7
    assert len(hash) == 2000


def test_flags_that_batches_lack_work_all_the_same(hash: HashMap[int, int]) -> None:
    hash.update_batch([1, 2], [1, 2], UpdateFlags.NO_EXIST)
    with pytest.raises(ExistsError, match="1 of 3 elements were written before"):
        hash.update_batch([3, 2, 4], [3, 2, 4], UpdateFlags.NO_EXIST)
    with pytest.raises(KeyError, match="9"):
        hash.update_batch([1, 9], [7, 9], UpdateFlags.EXIST)
    assert dict(hash.items()) == {1: 7, 2: 2, 3: 3}


def test_values_are_written_under_their_lock(loaded: Object) -> None:
    guarded = loaded.maps["guarded"]
    guarded.update_batch([0, 1], [{"value": 5}, {"value": 6}], UpdateFlags.LOCK)  # type: ignore[attr-defined]
    assert [value.value for value in guarded.values()] == [5, 6]  # type: ignore[attr-defined]


def test_bad_counts_and_cursors_of_other_maps_are_refused(hash: HashMap[int, int], vmlinux: Btf) -> None:
    hash.update_batch(range(500), range(500))
    cursor = hash.lookup_batch(10).cursor
    with (
        HashMap.create(btf=vmlinux, key_type="u32", value_type="u64", max_entries=9) as other,
        pytest.raises(ValueError, match="another map"),
    ):
        other.lookup_batch(10, cursor)
    with pytest.raises(ValueError, match="at least one"):
        hash.lookup_batch(0)
    with pytest.raises(TypeError):
        hash.lookup_batch(1.5)  # type: ignore[arg-type]


def test_arrays_are_read_and_written_but_not_deleted(cells: ArrayMap[int], way: str) -> None:
    cells.update_batch([9, 0, 5], [-9, 1, -5])
    first = cells.lookup_batch(6)
    assert (first.keys, first.values) == ([0, 1, 2, 3, 4, 5], [1, 0, 0, 0, 0, -5])
    rest = cells.lookup_batch(6, first.cursor)
    assert (rest.keys, rest.values) == ([6, 7, 8, 9], [0, 0, 0, -9])
    with pytest.raises(KeyError):
        cells.update_batch([10], [1])
    for refused in (lambda: cells.delete_batch([1]), cells.lookup_and_delete_batch):
        with pytest.raises(NotSupportedError, match="always there"):
            refused()


def test_values_per_cpu_go_in_and_come_out(vmlinux: Btf, way: str) -> None:
    cpus = num_possible_cpus()
    with PerCpuHashMap.create(btf=vmlinux, key_type="u32", value_type="u32", max_entries=10) as map:
        map.update_batch([1, 2], [list(range(cpus)), [7] * cpus])
        batch = map.lookup_batch()
        assert dict(zip(batch.keys, batch.values, strict=True)) == {1: list(range(cpus)), 2: [7] * cpus}


def test_structs_and_bytes_go_in_and_come_out(loaded: Object) -> None:
    events: HashMap[Any, Any] = loaded.map("events_by_flow", HashMap)
    flow = {"address": 1, "port": 2, "zero": 0}
    event = {"pid": 7, "comm": b"x", "bytes": 1 << 40, "where": (-1, 1), "colour": "BLUE"}
    events.update_batch([flow], [event])
    batch = events.lookup_batch()
    assert (batch.keys[0].port, batch.values[0].where.x, batch.values[0].bytes) == (2, -1, 1 << 40)
    untyped: HashMap[Any, Any] = loaded.map("untyped", HashMap)
    untyped.update_batch([b"abcd"], [b"123456"])
    assert untyped.lookup_batch()[:2] == ([b"abcd"], [b"123456"])


# --- NumPy ------------------------------------------------------------------------


@pytest.mark.needs("numpy")
def test_a_map_is_two_arrays(hash: HashMap[int, int]) -> None:
    import numpy

    assert [len(column) for column in hash.to_numpy()] == [0, 0]
    hash.update_batch(range(1000), range(0, 2000, 2))
    keys, values = hash.to_numpy()
    assert (keys.dtype, values.dtype) == (numpy.dtype("u4"), numpy.dtype("u8"))
    assert (values == 2 * keys).all()
    assert sorted(keys.tolist()) == list(range(1000))
    values[0] = 77  # they are the caller's own


@pytest.mark.needs("numpy")
def test_arrays_are_written_and_checked(hash: HashMap[int, int]) -> None:
    import numpy

    keys = numpy.arange(100, dtype="u4")
    hash.update_batch(keys, keys.astype("u8") * 5)
    assert hash[99] == 495
    hash.update_batch(keys[::2], numpy.arange(50))  # neither contiguous nor of the type, and all fit
    assert hash[98] == 49
    assert hash.delete_batch(keys[:10]) == 10
    for wrong, error in (
        (numpy.array([-1]), OverflowError),
        (numpy.array([1 << 33]), OverflowError),
        (numpy.array([1.0]), TypeError),
        (numpy.array([[1]]), ValueError),
        (numpy.array(1), ValueError),
    ):
        with pytest.raises(error, match="keys"):
            hash.update_batch(wrong, [1])
    assert len(hash) == 90


@pytest.mark.needs("numpy")
def test_structs_and_cpus_are_fields_and_columns(loaded: Object, vmlinux: Btf, way: str) -> None:
    cpus = num_possible_cpus()
    points: PerCpuHashMap[int, Any] = loaded.map("points_per_cpu", PerCpuHashMap)
    points[5] = [(cpu, -cpu) for cpu in range(cpus)]
    keys, values = points.to_numpy()
    assert (keys.tolist(), values.shape) == ([5], (1, cpus))
    assert values["y"][0].tolist() == [-cpu for cpu in range(cpus)]
    values["x"] += 1
    points.update_batch(keys, values)
    assert [point.x for point in points[5]] == [cpu + 1 for cpu in range(cpus)]

    events: HashMap[Any, Any] = loaded.map("events_by_flow", HashMap)
    events[1, 2, 0] = {"pid": 7, "comm": b"x", "bytes": 1, "where": (0, 1), "colour": 5}
    flows, found = events.to_numpy()
    found["pid"] = 8
    events.update_batch(flows, found)
    assert events[1, 2, 0].pid == 8

    with PerCpuArray.create(btf=vmlinux, value_type="u16", max_entries=3) as map:
        map[2] = [9] * cpus
        assert map.to_numpy().values.tolist() == [[0] * cpus, [0] * cpus, [9] * cpus]


@pytest.mark.needs("numpy")
@pytest.mark.host("a million elements")
def test_a_large_map_becomes_arrays_in_little_more_memory_than_they_take() -> None:
    import numpy

    def memory(line: str) -> int:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split(f"\n{line}:")[1].split()[0])

    count = 1_000_000
    with (
        # The kernel counts pages on each CPU, and adds up now and then what they counted (since Linux 6.2,
        # lib/percpu_counter.c): on one CPU little is left out, and the others' rest stays as it is.
        on_one_cpu(),
        Btf.vmlinux() as btf,
        HashMap.create(btf=btf, key_type="u32", value_type="u64", max_entries=count) as map,
    ):
        keys = numpy.arange(count, dtype="u4")
        map.update_batch(keys, keys.astype("u8"))
        for left in (count, count * 2 // 3):
            # What is resident, as the kernel counts it: tracemalloc sees no pages, and takes a realloc
            # for a move or for a copy as the release of NumPy tells it.
            Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
            before = memory("VmRSS")
            found = map.to_numpy()
            peak = memory("VmHWM") - before
            assert len(found.keys) == left
            assert (found.keys == found.values).all()
            taken = found.keys.nbytes + found.values.nbytes
            assert 0.5 * taken <= peak <= 1.2 * taken
            del found
            map.delete_batch(keys[count * 2 // 3 :])


# --- what it costs -------------------------------------------------------------------


def test_a_list_of_a_map_takes_one_walk(hash: HashMap[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    from pylibbpf.maps import walk

    hash.update_batch(range(50), range(50))
    walks = 0
    real = walk.chunks

    def counted(map: Any, values: bool) -> Any:
        nonlocal walks
        walks += 1
        return real(map, values)

    monkeypatch.setattr(walk, "chunks", counted)
    for make in (lambda: list(hash), lambda: list(hash.items()), lambda: list(hash.values())):
        walks = 0
        assert len(make()) == 50
        assert walks == 1
    walks = 0
    assert (len(hash), bool(hash), walks) == (50, True, 1)


def test_a_length_that_is_asked_for_between_is_right(hash: HashMap[int, int]) -> None:
    hash.update_batch(range(10), range(10))
    iterator = iter(hash)
    assert len(hash) == 10
    hash[10] = 10
    assert len(hash) == 11
    assert set(range(10)) <= set(iterator)
    items = iter(hash.items())
    next(items)
    del hash[0]
    assert len(hash) == 10
    assert len(list(hash.items())) == 10


def test_a_length_that_another_thread_asks_for_leaves_the_iterator_alone(hash: HashMap[int, int]) -> None:
    import threading

    hash.update_batch(range(10), range(10))
    iterator = iter(hash)
    lengths: list[int] = []
    thread = threading.Thread(target=lambda: lengths.append(len(hash)))
    thread.start()
    thread.join()
    hash[10] = 10
    assert lengths == [10]
    assert sorted(iterator) == list(range(11))


# --- one value for a CPU, or for all ---------------------------------------------------


def test_where_the_kernel_does_not_know_the_flags_nothing_is_written(vmlinux: Btf, way: str) -> None:
    if requirements.kernel_version() >= (7, 0):
        return  # the next test has the other half
    with PerCpuHashMap.create(btf=vmlinux, key_type="u32", value_type="u32", max_entries=10) as map:
        with pytest.raises(BpfError, match=r"since Linux 7\.0. 0 of 3 elements were written"):
            map.update_batch([1, 2, 3], [7, 8, 9], UpdateFlags.ALL_CPUS)
        assert len(map) == 0


@pytest.mark.kernel("7.0", "values for one CPU or for all")
def test_batches_for_one_cpu_or_for_all_take_single_values(vmlinux: Btf, way: str) -> None:
    cpus = num_possible_cpus()
    with PerCpuHashMap.create(btf=vmlinux, key_type="u32", value_type="u32", max_entries=10) as map:
        map.update_batch([1, 2, 3], [7, 8, 9], UpdateFlags.ALL_CPUS)
        assert dict(map.items()) == {1: [7] * cpus, 2: [8] * cpus, 3: [9] * cpus}
        map.update_batch([1, 3], [70, 90], UpdateFlags.CPU | cpus - 1 << 32)
        assert [map[key][-1] for key in (1, 2, 3)] == [70, 8, 90]
        assert [map[key][:-1] for key in (1, 2, 3)] == [[value] * (cpus - 1) for value in (7, 8, 9)]
        with pytest.raises(TypeError, match=r"values\[0\]"):
            map.update_batch([1], [[1] * cpus], UpdateFlags.ALL_CPUS)
        with pytest.raises(OverflowError, match=r"values\[1\]"):
            map.update_batch([1, 2], [1, 1 << 32], UpdateFlags.ALL_CPUS)
