# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Hash tables as MutableMappings, against the kernel."""

from __future__ import annotations

import errno
from collections.abc import MutableMapping
from typing import Any

import pytest

from pylibbpf import BpfError, Btf, ExistsError, NotSupportedError, Object
from pylibbpf.enums import MapType, UpdateFlags
from pylibbpf.maps import HashMap, LruHashMap
from tests import requirements
from tests.maps.conftest import run

pytestmark = pytest.mark.needs("root")


def test_a_value_that_was_put_is_what_the_kernel_has(numbers: HashMap[int, int]) -> None:
    numbers[7] = 1 << 40
    assert numbers[7] == 1 << 40
    assert numbers.lookup_bytes((7).to_bytes(4, "little")) == (1 << 40).to_bytes(8, "little")
    numbers[7] = 8
    assert numbers[7] == 8


def test_the_program_sees_what_python_puts_and_the_other_way_round(loaded: Object) -> None:
    counts: HashMap[int, int] = loaded.map("counts", HashMap)
    counts[1] = 1000
    run(loaded)
    assert counts[1] == 10
    assert dict(counts) == {1: 10}


def test_a_missing_key_is_a_key_error_with_the_key(numbers: HashMap[int, int]) -> None:
    for access in (lambda: numbers[5], lambda: numbers.delete(5)):
        with pytest.raises(KeyError) as caught:
            access()
        assert caught.value.args == (5,)
        assert type(caught.value) is KeyError
    with pytest.raises(KeyError):
        del numbers[5]
    assert numbers.lookup(5) is None
    assert numbers.get(5) is None
    assert numbers.get(5, 9) == 9
    assert 5 not in numbers


def test_it_is_a_mutable_mapping(numbers: HashMap[int, int]) -> None:
    assert isinstance(numbers, MutableMapping)
    numbers.update({1: 10, 2: 20})
    numbers.update([(3, 30)])
    assert numbers.setdefault(3, 0) == 30
    assert numbers.setdefault(4, 40) == 40
    assert sorted(numbers) == [1, 2, 3, 4]
    assert sorted(numbers.keys()) == [1, 2, 3, 4]
    assert sorted(numbers.values()) == [10, 20, 30, 40]
    assert sorted(numbers.items()) == [(1, 10), (2, 20), (3, 30), (4, 40)]
    assert len(numbers) == len(numbers.items()) == 4
    assert (2, 20) in numbers.items()
    assert (2, 21) not in numbers.items()
    assert 30 in numbers.values()
    assert numbers.keys() & {2, 9} == {2}
    del numbers[1]
    assert 1 not in numbers
    numbers.clear()
    assert len(numbers) == 0
    assert list(numbers) == []


def test_an_empty_map_is_true_and_equal_to_itself_only(numbers: HashMap[int, int]) -> None:
    with HashMap.from_fd(numbers.fd) as same:
        assert bool(numbers)
        assert numbers == numbers
        assert numbers != same
        assert numbers != {}
        assert len({numbers, same, numbers}) == 2


@pytest.mark.kernel("5.14", "lookup-and-delete for hashes")
def test_pop_takes_the_key_out(numbers: HashMap[int, int]) -> None:
    numbers[1] = 11
    assert numbers.pop(1) == 11
    with pytest.raises(KeyError) as caught:
        numbers.pop(1)
    assert caught.value.args == (1,)
    assert 1 not in numbers
    assert numbers.pop(1, None) is None
    assert numbers.pop(1, 5) == 5
    numbers.update({2: 22, 3: 33})
    assert sorted([numbers.popitem(), numbers.popitem()]) == [(2, 22), (3, 33)]
    with pytest.raises(KeyError):
        numbers.popitem()


def test_pop_is_not_supported_where_the_kernel_cannot_do_it_in_one_step(numbers: HashMap[int, int]) -> None:
    if requirements.kernel_version() >= (5, 14):
        return  # test_pop_takes_the_key_out has the other half
    numbers[1] = 11
    with pytest.raises(NotSupportedError, match=r"5\.14"):
        numbers.pop(1)
    assert numbers[1] == 11


def test_put_with_flags_keeps_what_is_there_or_demands_it(numbers: HashMap[int, int]) -> None:
    with pytest.raises(KeyError):
        numbers.put(1, 1, UpdateFlags.EXIST)
    numbers.put(1, 1, UpdateFlags.NO_EXIST)
    with pytest.raises(ExistsError) as caught:
        numbers.put(1, 2, UpdateFlags.NO_EXIST)
    assert caught.value.errno == errno.EEXIST
    numbers.put(1, 3, UpdateFlags.EXIST)
    assert numbers[1] == 3


@pytest.mark.kernel("5.1", "spin locks in values")
def test_a_value_with_a_lock_is_read_and_written_under_it(loaded: Object) -> None:
    guarded: Any = loaded.maps["guarded"]
    value = guarded[0]
    value.value = 5
    guarded.put(0, value, UpdateFlags.LOCK)
    assert guarded.lookup(0, UpdateFlags.LOCK).value == 5
    guarded[1] = {"value": 6}  # the lock is the kernel's, and need not be given
    guarded.put(0, (7,), UpdateFlags.LOCK)
    assert (guarded[0].value, guarded[1].value) == (7, 6)
    assert repr(guarded[1]) == "guarded(lock=<struct bpf_spin_lock>, value=6)"
    with pytest.raises(TypeError, match=r"guarded\.lock.*kernel's: leave it out"):
        guarded[1] = {"lock": 1, "value": 6}


@pytest.mark.parametrize("type", ["u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64"])
def test_the_smallest_and_largest_integers_are_keys_and_values(vmlinux: Btf, type: str) -> None:
    bits = int(type[1:])
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if type[0] == "s" else (0, (1 << bits) - 1)
    with HashMap.create(btf=vmlinux, key_type=type, value_type=type, max_entries=100) as map:
        numbers = sorted({low, low + 1, low + 2, 0, 1, high - 2, high - 1, high})
        for number in numbers:
            map[number] = number
        assert [map[number] for number in numbers] == numbers
        assert sorted(map) == numbers
        for number in numbers:
            del map[number]
            assert number not in map
            assert map.get(number) is None
            with pytest.raises(KeyError):
                map[number]
        for wrong in (low - 1, high + 1, 1 << 64, -(1 << 64), 1 << 200):
            for use in (map.get, map.lookup, lambda key: map.put(key, 1), lambda value: map.put(1, value)):
                with pytest.raises(OverflowError):
                    use(wrong)
        map[True] = False  # bools are integers
        assert map[1] == 0
        assert len(map) == 1


@pytest.mark.kernel("5.14", "taking single elements out of a hash")
def test_a_key_is_taken_out_under_its_lock(loaded: Object) -> None:
    guarded: Any = loaded.maps["guarded_by_key"]
    guarded[1] = {"value": 5}
    assert guarded.pop(1, flags=UpdateFlags.LOCK).value == 5
    assert guarded.pop(1, None, flags=UpdateFlags.LOCK) is None
    with pytest.raises(KeyError):
        guarded.pop(1, flags=UpdateFlags.LOCK)


def test_a_full_map_says_how_large_it_is(vmlinux: Btf) -> None:
    with HashMap.create(btf=vmlinux, key_type="u32", value_type="u64", max_entries=2) as map:
        map.update({1: 1, 2: 2})
        with pytest.raises(BpfError, match="max_entries is 2") as caught:
            map[3] = 3
        assert caught.value.errno == errno.E2BIG
        map[2] = 5
        assert dict(map) == {1: 1, 2: 5}


@pytest.mark.parametrize("value", [-1, 1 << 64, 1.5, "1", None, [1]])
def test_a_value_that_does_not_fit_raises_and_writes_nothing(numbers: HashMap[int, Any], value: Any) -> None:
    numbers[1] = 42
    with pytest.raises((OverflowError, TypeError)):
        numbers[1] = value
    with pytest.raises((OverflowError, TypeError)):
        numbers[2] = value
    assert dict(numbers) == {1: 42}


@pytest.mark.parametrize("key", [-1, 1 << 32, 0.5, "a"])
def test_a_key_that_does_not_fit_raises_everywhere(numbers: HashMap[Any, int], key: Any) -> None:
    for access in (
        lambda: numbers[key],
        lambda: numbers.get(key),
        lambda: key in numbers,
        lambda: numbers.pop(key),
        lambda: numbers.delete(key),
        lambda: numbers.lookup(key),
        lambda: numbers.put(key, 1),
    ):
        with pytest.raises((OverflowError, TypeError)):
            access()


def test_structs_go_in_as_dicts_and_come_out_with_fields(loaded: Object) -> None:
    events: Any = loaded.maps["events_by_flow"]
    flow = {"address": 1, "port": 80, "zero": 0}
    given = {"pid": 3, "comm": b"bash", "bytes": 1 << 40, "where": {"x": -4, "y": 5}, "colour": 5}
    events[flow] = given
    event = events[flow]
    assert (event.pid, event.comm, event.bytes, event.where.x, event.colour) == (3, b"bash", 1 << 40, -4, 5)
    assert [(key.address, key.port) for key in events] == [(1, 80)]
    for broken in ({"pid": 1 << 32}, {"typo": 1}, {"comm": b"x" * 17}, {"where": {"x": 40000, "y": 0}}):
        with pytest.raises((OverflowError, ValueError, TypeError)):
            events[flow] = given | broken
    with pytest.raises(ValueError, match="lacks"):
        events[flow] = {"pid": 4}
    assert events[flow].pid == 3


def test_values_that_were_read_own_their_memory(loaded: Object) -> None:
    records: Any = loaded.maps["records"]
    blank = records[0]
    blank.pid = 1
    records[0] = blank
    assert blank.pid == 1
    blank.pid = 2
    records[1] = blank
    first, second = records[0], records[1]
    assert (first.pid, second.pid) == (1, 2)
    listed = list(records.values())
    assert [record.pid for record in listed[:2]] == [1, 2]


def test_without_btf_keys_and_values_are_bytes_of_the_right_size(loaded: Object) -> None:
    untyped: Any = loaded.maps["untyped"]
    untyped[b"key1"] = b"sixsix"
    assert dict(untyped) == {b"key1": b"sixsix"}
    for key, value in (
        (b"key", b"sixsix"),
        (b"key12", b"sixsix"),
        (b"key1", b"five5"),
        (b"key1", b"seven77"),
    ):
        with pytest.raises(ValueError, match="bytes"):
            untyped[key] = value
    with pytest.raises(ValueError, match="bytes"):
        untyped[b"long key"]
    assert dict(untyped) == {b"key1": b"sixsix"}


def test_raw_access_checks_sizes(numbers: HashMap[int, int]) -> None:
    key, value = b"\1\0\0\0", bytes(8)
    numbers.put_bytes(key, bytearray(value))
    for access in (
        lambda: numbers.lookup_bytes(b"\1"),
        lambda: numbers.put_bytes(key, b"\1"),
        lambda: numbers.put_bytes(b"", value),
        lambda: numbers.delete_bytes(bytes(5)),
        lambda: numbers.next_key_bytes(bytes(3)),
    ):
        with pytest.raises(ValueError, match="takes"):
            access()
    with pytest.raises(TypeError):
        numbers.lookup_bytes(None)
    assert numbers.next_key_bytes() == key
    assert numbers.next_key_bytes(key) is None
    assert numbers.delete_bytes(key)
    assert not numbers.delete_bytes(key)


def test_an_lru_hash_drops_old_keys_instead_of_refusing_new_ones(vmlinux: Btf) -> None:
    with LruHashMap.create(btf=vmlinux, key_type="u32", value_type="u64", max_entries=64) as map:
        for key in range(1000):
            map[key] = key
        assert 0 < len(map) <= 64
        assert all(key == value for key, value in map.items())
        assert isinstance(map, HashMap)
        assert map.type == MapType.LRU_HASH


def test_the_objects_lru_hash_has_its_types(loaded: Object) -> None:
    recent: LruHashMap[int, int] = loaded.map("recent", LruHashMap)
    recent[1 << 63] = -1
    assert dict(recent) == {1 << 63: -1}


def test_many_keys_survive_a_round_trip(vmlinux: Btf) -> None:
    wanted = {key: key * key for key in range(5_000)}
    with HashMap.create(btf=vmlinux, key_type="u32", value_type="u64", max_entries=5_000) as map:
        map.update(wanted)
        assert len(map) == len(wanted)
        assert dict(map.items()) == wanted
        assert set(map) == set(wanted)
        map.clear()
        assert len(map) == 0
