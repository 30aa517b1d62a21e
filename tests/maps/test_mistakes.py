# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a new user does wrong: every failure names what was wrong and says what to do, and changes nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pylibbpf import Btf, NotSupportedError, Object, StateError
from pylibbpf.enums import MapFlags, MapType, UpdateFlags
from pylibbpf.maps import (
    ArrayMap,
    BloomFilter,
    CgroupArray,
    CpuMap,
    DevMap,
    HashMap,
    HashOfMaps,
    LpmTrie,
    LruHashMap,
    Map,
    PerCpuArray,
    PerfEventArray,
    ProgramArray,
    Queue,
    ReuseportArray,
    RingBufMap,
    SockMap,
    SockStorage,
    StackTrace,
    XskMap,
)

pytestmark = pytest.mark.needs("root")


# --- create ---------------------------------------------------------------------


def plain_hash(**options: Any) -> Any:
    return HashMap.create(**{"key_size": 4, "value_size": 8, "max_entries": 10, **options})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"type": "hash"}, TypeError, r"MapType, such as MapType.HASH, not 'hash'"),
        ({"key_size": "4"}, TypeError, r"key_size takes an int, not str"),
        ({"value_size": 4.0}, TypeError, r"value_size takes an int, not float"),
        ({"max_entries": -1}, OverflowError, r"-1 does not fit max_entries"),
        ({"flags": "x"}, TypeError, r"flags takes an int"),
        ({"map_extra": None}, TypeError, r"map_extra takes an int"),
        ({"ifindex": "lo"}, TypeError, r"ifindex takes an int"),
        ({"numa_node": -1}, OverflowError, r"-1 does not fit numa_node"),
        ({"name": "a b"}, ValueError, r"letters, digits, '_' and '.' only, not 'a b'"),
        ({"name": 3}, TypeError, r"the name of a map must be str"),
        ({"inner_map": 3}, TypeError, r"inner_map is a map, not int"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plain_hash(**options)


@pytest.mark.parametrize(
    ("create", "hint"),
    [
        (lambda: plain_hash(flags=1 << 30), r"does not take <MapFlags.*1073741824>"),
        (lambda: plain_hash(ifindex=1), r"Interface 1 takes no maps"),
        (lambda: ArrayMap.create(key_size=8, value_size=4, max_entries=1), r"key.* 4 bytes.* key_size is 8"),
        (lambda: ProgramArray.create(value_size=8, max_entries=1), r"value .* 4 bytes.* value_size is 8"),
        (lambda: Queue.create(key_size=4, value_size=4, max_entries=1), r"key .* 0 bytes"),
        (lambda: SockMap.create(value_size=3, max_entries=1), r"4 or 8 bytes"),
        (lambda: RingBufMap.create(max_entries=5000), r"power of two"),
        (lambda: LpmTrie.create(key_size=3, value_size=4, max_entries=1), r"4 bytes for its length"),
        (lambda: StackTrace.create(value_size=4, max_entries=1), r"8 bytes for each"),
        (lambda: HashOfMaps.create(key_size=4, max_entries=1), r"needs inner_map"),
        (
            lambda: LruHashMap.create(key_size=4, value_size=4, max_entries=9, flags=MapFlags.NO_PREALLOC),
            r"NO_PREALLOC",
        ),
        (
            lambda: Map.create(MapType.STRUCT_OPS, key_size=4, value_size=8, max_entries=1),
            r"comes from an object",
        ),
        (lambda: SockStorage.create(key_size=8, value_size=8), r"key of local storage is an fd"),
    ],
)
def test_what_the_kernel_calls_invalid_is_explained(create: Callable[[], Map], hint: str) -> None:
    with pytest.raises(OSError, match=hint):
        create().close()


@pytest.mark.kernel("5.16", "bloom filters")
def test_too_many_hashes_are_explained() -> None:
    with pytest.raises(OSError, match="map_extra, the number of hashes, is 15 at most"):
        BloomFilter.create(value_size=4, max_entries=1, map_extra=99).close()


def test_what_is_no_id_and_no_fd_is_named(numbers: HashMap[int, int]) -> None:
    for wrong in ("3", None, 3.0):
        with pytest.raises(TypeError, match="the id of a map takes an int"):
            Map.from_id(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an fd takes an int, not HashMap"):
        Map.from_fd(numbers)  # type: ignore[arg-type]
    with pytest.raises(OverflowError, match="-1 does not fit an fd"):
        Map.from_fd(-1)


# --- configure ------------------------------------------------------------------


def test_a_misspelt_setting_is_an_error_and_not_a_new_attribute(opened: Object) -> None:
    spare: Any = opened.maps["spare"]
    with pytest.raises(
        AttributeError, match=r"HashMap has no 'max_entires' to set; did you mean 'max_entries'"
    ):
        spare.max_entires = 99
    for what in ("name", "id", "fd"):
        with pytest.raises(AttributeError, match=what):
            setattr(spare, what, 3)
    with pytest.raises(AttributeError):
        opened.variables["total"].valeu = 5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("what", "value", "error", "message"),
    [
        ("type", "hash", TypeError, "MapType.HASH"),
        ("max_entries", "4", TypeError, "max_entries takes an int"),
        ("flags", "4", TypeError, "flags takes an int"),
        ("flags", -1, OverflowError, "does not fit flags"),
        ("numa_node", None, TypeError, "numa_node takes an int"),
        ("ifindex", "lo", TypeError, "ifindex takes an int"),
        ("autocreate", "no", TypeError, "autocreate is True or False, not 'no'"),
        ("exclusive_program", "count", TypeError, "a program of the object, not 'count'"),
        ("pin_path", 3, TypeError, "os.PathLike object, not int"),
        ("initial_value", b"x", ValueError, "takes no initial value"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_named(
    opened: Object, what: str, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        setattr(opened.maps["spare"], what, value)


def test_what_is_no_map_cannot_be_reused_or_be_an_inner_one(opened: Object) -> None:
    by_key: Any = opened.maps["maps_by_key"]
    for wrong in (3, "/sys/fs/bpf/map", None):
        with pytest.raises(TypeError, match="is a map, not"):
            opened.maps["spare"].reuse(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="is a map, not"):
            by_key.set_inner_map(wrong)
    with pytest.raises(StateError, match="'spare' does not exist before its object is loaded"):
        by_key.set_inner_map(opened.maps["spare"])


# --- elements -------------------------------------------------------------------


@pytest.fixture
def null() -> Iterator[Any]:
    with open(os.devnull, "rb") as file:
        yield file


def test_maps_of_fds_say_what_they_take(null: Any, numbers: HashMap[int, int]) -> None:
    for create, takes in (
        (lambda: ProgramArray.create(max_entries=1), "programs"),
        (lambda: CgroupArray.create(max_entries=1), "directories of cgroup v2"),
        (PerfEventArray.create, "perf events"),
        (lambda: XskMap.create(max_entries=1), "AF_XDP sockets"),
        (lambda: ReuseportArray.create(max_entries=1), "SO_REUSEPORT"),
        (lambda: HashOfMaps.create(key_size=4, max_entries=1, inner_map=numbers), "maps like the inner map"),
    ):
        with create() as map:
            key: Any = 0 if map.type != MapType.HASH_OF_MAPS else bytes(4)
            with pytest.raises(OSError, match=f"It takes .*{takes}"):
                map[key] = null
            with pytest.raises(TypeError, match="an fd, or an object with one, is wanted"):
                map[key] = "/dev/null"


def test_what_cannot_be_read_back_says_so() -> None:
    for create in (lambda: CgroupArray.create(max_entries=1), PerfEventArray.create):
        with create() as map, pytest.raises(NotSupportedError, match="cannot be read back"):
            map[0]


@pytest.mark.needs("nolock_allocation")
def test_keys_of_local_storage_are_explained(null: Any) -> None:
    with SockStorage.create(value_size=8) as values:
        for use in (lambda: values[null], lambda: values.put(null, bytes(8))):
            with pytest.raises(OSError, match="A key is a socket, or its fd"):
                use()


def test_devices_cpus_and_prefixes_are_explained() -> None:
    with DevMap.create(max_entries=1) as devices:
        with pytest.raises(OSError, match="begins with the index of a network device"):
            devices[0] = 99_999
        with pytest.raises(OSError, match="no interface 'nowhere'"):
            devices[0] = "nowhere"
    with CpuMap.create() as cpus, pytest.raises(OSError, match="16384 places"):
        cpus[0] = 1 << 20
    with (
        LpmTrie.create(key_size=8, value_size=4, max_entries=4) as trie,
        pytest.raises(OSError, match="a u32 of 32 at most"),
    ):
        trie[b"\xff\0\0\0\1\2\3\4"] = b"abcd"


def test_flags_that_do_not_go_with_a_map_are_explained(numbers: HashMap[int, int]) -> None:
    numbers[1] = 1
    for use in (
        lambda: numbers.put(1, 2, UpdateFlags.LOCK),
        lambda: numbers.lookup(1, UpdateFlags.LOCK),
        lambda: numbers.update_batch([1], [2], UpdateFlags.LOCK),
    ):
        with pytest.raises(OSError, match="values with a struct bpf_spin_lock"):
            use()
    with pytest.raises(OSError, match="does not take <UpdateFlags"):
        numbers.put(1, 2, 64)
    with pytest.raises(OSError, match="for per-CPU maps"):
        numbers.put(1, 2, UpdateFlags.CPU)
    with pytest.raises(OSError, match="CPU"):
        numbers.pop(1, flags=UpdateFlags.CPU)
    assert dict(numbers) == {1: 1}


def test_a_cpu_that_cannot_be_is_explained(vmlinux: Btf) -> None:
    with PerCpuArray.create(btf=vmlinux, value_type="u32", max_entries=1) as map:
        for use in (
            lambda: map.put(0, 1, UpdateFlags.CPU | 4000 << 32),
            lambda: map.lookup(0, UpdateFlags.CPU | 4000 << 32),
        ):
            with pytest.raises(OSError, match=r"possible CPUs, since Linux 7\.0"):
                use()


@pytest.mark.kernel("5.2", "freezing maps")
def test_every_way_to_change_a_frozen_map_says_that_it_is_frozen(numbers: HashMap[int, int]) -> None:
    numbers[1] = 1
    numbers.freeze()
    for use in (
        lambda: numbers.put(1, 2),
        lambda: numbers.delete(1),
        lambda: numbers.update({1: 2}),
        lambda: numbers.delete_batch([1]),
        numbers.clear,
    ):
        with pytest.raises(PermissionError, match="frozen"):
            use()
    with pytest.raises(PermissionError, match="0 of 2 elements were written before"):
        numbers.update_batch([1, 2], [2, 3])
    assert dict(numbers) == {1: 1}


def test_a_cursor_and_an_index_of_the_wrong_kind_are_named(
    numbers: HashMap[int, int], opened: Object
) -> None:
    with pytest.raises(TypeError, match="cursor is that of the batch before, or None, not int"):
        numbers.lookup_batch(1, 7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an index of variable 'table' is an int, not slice"):
        opened.variables["table"][0:2]  # type: ignore[index]


def test_a_map_without_a_name_is_called_by_its_type() -> None:
    with plain_hash() as map, pytest.raises(OSError, match="cannot update this HASH map"):
        map.put(bytes(4), bytes(8), UpdateFlags.LOCK)
    with pytest.raises(ValueError, match="this HASH map is closed"):
        map.fd
    with plain_hash(name="counts") as named, pytest.raises(OSError, match="cannot update map 'counts'"):
        named.put(bytes(4), bytes(8), UpdateFlags.LOCK)


def test_sizes_of_codecs_are_checked_without_asserts_too() -> None:
    """A system call copies what the kernel thinks fit: a wrong size must never get there, under -O either."""
    import subprocess
    import sys

    program = """
from pylibbpf import FormatError
from pylibbpf.btf.codec import bytes_codec
from pylibbpf.maps import HashMap
assert False
class Wrong(HashMap):
    def _element_codecs(self):
        return bytes_codec(4), bytes_codec(4)
with HashMap.create(key_size=4, value_size=64, max_entries=1) as map:
    map.__class__ = Wrong
    for use in (lambda: map[bytes(4)], lambda: map.put(bytes(4), bytes(4)), lambda: list(map), map.to_numpy):
        try:
            use()
        except FormatError as error:
            print("take 4 and 4 bytes, the kernel copies 4 and 64" in str(error))
"""
    done = subprocess.run([sys.executable, "-O", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n" * 4


def test_sockets_say_what_they_take() -> None:
    with (
        SockMap.create(max_entries=1) as sockets,
        socket.socket() as unconnected,
        pytest.raises(OSError, match="TCP sockets that are connected"),
    ):
        sockets[0] = unconnected
