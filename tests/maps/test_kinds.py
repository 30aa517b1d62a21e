# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Every type of map has its class, and each class does what it says."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import BpfError, Btf, MapTypeError, NotSupportedError, Object, StateError, maps
from pylibbpf._native import ffi, lib
from pylibbpf.enums import MapFlags, MapType
from pylibbpf.maps import ArrayMap, CpuMap, DevMap, HashMap, Map, SockStorage, StackTrace, XskMap
from pylibbpf.maps.kinds import class_of, types_of
from tests import requirements
from tests.conftest import eventually
from tests.symbols.conftest import GETPGID

pytestmark = pytest.mark.needs("root")

KNOWN = [type for type in MapType if type != MapType.UNSPEC and not type.name.startswith("UNKNOWN")]


def test_every_type_has_a_class_and_every_class_a_type() -> None:
    classes = {class_of(type) for type in KNOWN}
    assert Map not in classes
    public = {getattr(maps, name) for name in maps.__all__}
    assert {kind for kind in public if issubclass(kind, Map)} == classes | {Map}
    for cls in classes:
        assert cls._type in types_of(cls)
        assert cls.__doc__


def test_the_table_of_the_design_is_complete() -> None:
    promised = {
        *("Map", "HashMap", "ArrayMap", "PerCpuHashMap", "PerCpuArray", "LruHashMap", "LpmTrie", "Queue"),
        *("Stack", "BloomFilter", "ProgramArray", "PerfEventArray", "StackTrace", "CgroupArray"),
        *("ArrayOfMaps", "HashOfMaps", "SockMap", "SockHash", "DevMap", "CpuMap", "XskMap"),
        *("ReuseportArray", "TaskStorage", "SockStorage", "InodeStorage", "CgroupStorage", "RingBufMap"),
        *("UserRingBufMap", "Arena", "StructOpsMap"),
    }
    assert promised <= set(maps.__all__)


def test_a_type_of_a_newer_kernel_is_a_plain_map() -> None:
    assert class_of(MapType(99)) is Map


def test_public_names_are_found_and_others_are_not() -> None:
    assert "HashMap" in dir(maps)
    with pytest.raises(AttributeError, match="NoSuchMap"):
        maps.NoSuchMap


# What each type takes besides what its class says.
NEEDS: dict[MapType, dict[str, Any]] = {
    MapType.RINGBUF: {"max_entries": 4096},
    MapType.USER_RINGBUF: {"max_entries": 4096},
    MapType.CGROUP_STORAGE: {"max_entries": 0},
    MapType.PERCPU_CGROUP_STORAGE: {"max_entries": 0},
    MapType.SK_STORAGE: {"max_entries": 0},
    MapType.INODE_STORAGE: {"max_entries": 0},
    MapType.TASK_STORAGE: {"max_entries": 0},
    MapType.CGRP_STORAGE: {"max_entries": 0},
}
# Linux that brought what 5.10 does not have.
SINCE = {
    MapType.TASK_STORAGE: r"5\.11",
    MapType.BLOOM_FILTER: r"5\.16",
    MapType.USER_RINGBUF: r"6\.1",
    MapType.CGRP_STORAGE: r"6\.2",
    MapType.ARENA: r"6\.9",
    MapType.INSN_ARRAY: r"6\.19",
}
# Its value is a struct of the kernel, with programs in it.
OF_OBJECTS = {MapType.STRUCT_OPS}


def made(type: MapType, inner: Map) -> Map:
    """A map of a type, or a skip if the kernel has none."""
    cls = class_of(type)
    options: dict[str, Any] = {"max_entries": 4, **NEEDS.get(type, {})}
    options |= {size: 8 for size in ("key_size", "value_size") if getattr(cls, f"_{size}") is None}
    if type in (MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS):
        options["inner_map"] = inner
    return cls.create(type, **options)


@pytest.mark.parametrize("type", [type for type in KNOWN if type not in OF_OBJECTS], ids=str)
def test_one_of_each_type_is_created_and_found_by_its_fd_id_and_pin(type: MapType, bpffs: Path) -> None:
    if type == MapType.ARENA:
        requirements.require("nolock_allocation")
    with ArrayMap.create(value_size=8, max_entries=1) as inner:
        try:
            map = made(type, inner)
        except BpfError:
            # The kernel's own word that it has none, and not our guess. Old libbpfs may not know the type.
            probed = lib.libbpf_probe_bpf_map_type(type, ffi.NULL)
            assert probed <= 0
            # It names the version, where the type is newer than the oldest kernel of the matrix.
            since = f"{type.name}.* since Linux {SINCE[type]}" if type in SINCE and not probed else type.name
            with pytest.raises(NotSupportedError if probed == 0 else BpfError, match=since):
                made(type, inner)
            return
        with map:
            map.pin(bpffs / "map")
            for opened in (Map.from_fd(map.fd), Map.from_id(map.id), class_of(type).from_pin(bpffs / "map")):
                with opened as same:
                    assert type_of(map) == type_of(same) == (class_of(type), type)
                    assert map.id == same.id
                    assert (same.key_size, same.value_size) == (map.key_size, map.value_size)
            map.unpin()
            # Nothing that any kind answers is more than an exception.
            for access in (
                lambda: map.lookup_bytes(bytes(map.key_size)),
                map.next_key_bytes,
                lambda: map.next_key_bytes(bytes(map.key_size)),
                lambda: map.delete_bytes(bytes(map.key_size)),
                lambda: map.put_bytes(bytes(map.key_size), bytes(map._known_layout().transfer_size)),
                lambda: list(map),  # type: ignore[call-overload]
                map.freeze,
            ):
                try:
                    access()
                except (OSError, TypeError):
                    pass


def type_of(map: Map) -> tuple[type, MapType]:
    return type(map), map.type


def test_the_class_of_another_kind_is_refused_with_both_names() -> None:
    with HashMap.create(key_size=4, value_size=4, max_entries=1, name="hash") as map:
        with pytest.raises(MapTypeError, match=r"'hash' is of class HashMap .*HASH.*not ArrayMap"):
            ArrayMap.from_fd(map.fd)
        with pytest.raises(MapTypeError):
            HashMap.create(MapType.ARRAY, value_size=4, max_entries=1)


def test_the_object_gives_each_map_its_class(opened: Object) -> None:
    assert {name: type(map).__name__ for name, map in opened.maps.items() if not map._internal} == {
        "counts": "HashMap",
        "events_by_flow": "HashMap",
        "recent": "LruHashMap",
        "slots": "ArrayMap",
        "records": "ArrayMap",
        "guarded": "ArrayMap",
        "guarded_by_key": "HashMap",
        "points_per_cpu": "PerCpuHashMap",
        "runs_per_cpu": "PerCpuArray",
        "untyped": "HashMap",
        "prefixes": "LpmTrie",
        "line": "Queue",
        "pile": "Stack",
        "tail_calls": "ProgramArray",
        "perf_events": "PerfEventArray",
        "ring": "RingBufMap",
        "one": "ArrayMap",
        "maps_by_index": "ArrayOfMaps",
        "maps_by_key": "HashOfMaps",
        "task_values": "TaskStorage",
        "socket_values": "SockStorage",
        "inode_values": "InodeStorage",
        "cgroup_values": "CgroupStorage",
        "probably": "BloomFilter",
        "spare": "HashMap",
    }


def test_an_lpm_trie_finds_the_longest_prefix(loaded: Object) -> None:
    prefixes: Any = loaded.maps["prefixes"]
    prefixes[prefix("10.0.0.0", 8)] = 8
    prefixes[prefix("10.1.0.0", 16)] = 16
    assert prefixes[prefix("10.1.2.3", 32)] == 16
    assert prefixes[prefix("10.2.2.3", 32)] == 8
    assert prefixes.get(prefix("11.0.0.0", 32)) is None
    assert sorted(value for _, value in prefixes.items()) == [8, 16]
    assert sorted(key.length for key in prefixes) == [8, 16]
    del prefixes[prefix("10.1.0.0", 16)]
    assert prefixes[prefix("10.1.2.3", 32)] == 8
    prefixes.clear()
    assert len(prefixes) == 0


def prefix(address: str, length: int) -> dict[str, Any]:
    return {"length": length, "data": list(socket.inet_aton(address))}


def test_a_program_array_takes_programs_and_tells_their_ids(loaded: Object) -> None:
    calls: Any = loaded.maps["tail_calls"]
    program = loaded.programs["count"]
    calls[1] = program
    assert calls[1] == program.id
    calls[2] = program.fd
    assert 0 not in calls
    with pytest.raises(OSError, match=r"EINVAL|EBADF"):
        calls[0] = loaded.maps["counts"].fd
    with pytest.raises((TypeError, AttributeError)):
        calls[0] = "program"
    with pytest.raises(ValueError, match="negative"):
        calls[0] = -1
    del calls[1]
    assert calls.lookup(1) is None
    assert (list(calls), calls.ids()) == ([2], {2: program.id})
    with pytest.raises(TypeError, match="no len"):
        len(calls)
    calls.delete(2)
    assert calls.ids() == {}


def test_maps_of_maps_take_maps_and_open_them(loaded: Object) -> None:
    by_index: Any = loaded.maps["maps_by_index"]
    by_key: Any = loaded.maps["maps_by_key"]
    with by_index[0] as inner:
        assert inner.id == loaded.maps["one"].id
        assert isinstance(inner, ArrayMap)
        inner[0] = 5
    one: Any = loaded.maps["one"]
    assert one[0] == 5
    by_key[7] = one
    with by_key[7] as inner:
        assert inner[0] == 5
    with pytest.raises(KeyError):
        by_key[8]
    assert by_key.ids() == {7: one.id}
    assert list(by_index) == [0]
    assert by_key.lookup(8) is None
    assert by_key.get(8) is None
    del by_key[7]
    assert 7 not in by_key
    with pytest.raises(OSError, match=r"EINVAL"):
        by_key[1] = loaded.maps["untyped"]


def test_the_inner_map_is_set_before_load(opened: Object) -> None:
    by_key: Any = opened.maps["maps_by_key"]
    with HashMap.create(key_size=2, value_size=2, max_entries=3, flags=MapFlags.NO_PREALLOC) as inner:
        by_key.set_inner_map(inner)
        with pytest.raises(StateError):
            by_key.set_inner_map(inner)
    opened.load()
    with HashMap.create(key_size=2, value_size=2, max_entries=9, flags=MapFlags.NO_PREALLOC) as fitting:
        by_key[1] = fitting
        with by_key[1] as found:
            assert found.id == fitting.id
    with pytest.raises(OSError, match="EINVAL"):
        by_key[2] = opened.maps["one"]


@pytest.fixture
def storage(bpf_object: Callable[[str], Path]) -> Iterator[Callable[[str], Any]]:
    """Loads the object with one of the maps that not every kernel has, and returns that map."""
    from tests.maps.conftest import NEWER

    with Object.open(bpf_object("maps")) as obj:

        def load(name: str) -> Map:
            for other in NEWER:
                obj.maps[other].autocreate = other == name
            obj.load()
            return obj.maps[name]

        yield load


def check_storage(map: Any, fd: Any, other: Any) -> None:
    assert fd not in map
    assert map.lookup(fd) is None
    map[fd] = {"x": 1, "y": -2}
    assert (map[fd].x, map[fd].y) == (1, -2)
    assert other not in map
    with pytest.raises(TypeError, match="iterable"):
        iter(map)
    with pytest.raises(ValueError, match="negative"):
        map[-1]
    del map[fd]
    with pytest.raises(KeyError):
        map[fd]


@pytest.mark.needs("nolock_allocation")
def test_storage_made_by_itself_has_the_types_it_was_given(vmlinux: Btf) -> None:
    with (
        SockStorage.create(btf=vmlinux, value_type="u64") as typed,
        SockStorage.create(value_size=3) as untyped,
        socket.socket() as one,
    ):
        typed[one] = 1 << 40
        untyped[one] = b"abc"
        assert (typed[one], untyped[one]) == (1 << 40, b"abc")
        assert typed.value_size == 8
        with pytest.raises(OverflowError):
            typed[one] = -1
        with SockStorage.from_fd(untyped.fd) as same:
            assert same[one] == [97, 98, 99]


@pytest.mark.kernel("5.11", "task storage")
@pytest.mark.needs("nolock_allocation")
def test_task_storage_belongs_to_a_pidfd(storage: Callable[[str], Any]) -> None:
    mine, first = os.pidfd_open(os.getpid()), os.pidfd_open(1)
    try:
        check_storage(storage("task_values"), mine, first)
    finally:
        os.close(mine)
        os.close(first)


@pytest.mark.needs("nolock_allocation")
def test_socket_storage_belongs_to_a_socket(storage: Callable[[str], Any]) -> None:
    with socket.socket() as first, socket.socket() as second:
        check_storage(storage("socket_values"), first, second.fileno())


@pytest.mark.needs("lsm", "nolock_allocation")
def test_inode_storage_belongs_to_a_file(storage: Callable[[str], Any], tmp_path: Path) -> None:
    with open(tmp_path / "a", "wb") as first, open(tmp_path / "b", "wb") as second:
        check_storage(storage("inode_values"), first, second)


@pytest.mark.kernel("6.2", "storage of cgroups")
@pytest.mark.needs("cgroup2", "nolock_allocation")
def test_cgroup_storage_belongs_to_a_cgroup(storage: Callable[[str], Any], cgroups: tuple[int, int]) -> None:
    check_storage(storage("cgroup_values"), *cgroups)


@pytest.mark.kernel("5.16", "bloom filters")
def test_a_bloom_filter_never_forgets(storage: Callable[[str], Any]) -> None:
    probably = storage("probably")
    for value in range(50):
        probably.add(value)
    assert all(value in probably for value in range(50))
    assert sum(value in probably for value in range(1000, 2000)) < 500
    with pytest.raises(OverflowError):
        probably.add(1 << 32)
    with pytest.raises(TypeError):
        probably.__contains__("text")


@pytest.mark.needs("cgroup2")
def test_a_cgroup_array_takes_cgroups(cgroups: tuple[int, int]) -> None:
    with maps.CgroupArray.create(max_entries=2) as array:
        array[0] = cgroups[0]
        del array[0]
        with pytest.raises(KeyError):
            array[2] = cgroups[0]


def test_sockets_go_into_socket_maps_and_leave_them_when_closed() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        with maps.SockMap.create(max_entries=2) as by_index:
            by_index[1] = client
            cookie = by_index[1]
            assert cookie == int.from_bytes(
                client.getsockopt(socket.SOL_SOCKET, 57, 8), "little"
            )  # SO_COOKIE
            assert 0 not in by_index
        with maps.SockHash.create(key_size=4, max_entries=2) as by_key:
            by_key[b"abcd"] = client.fileno()
            assert by_key[b"abcd"] == cookie
            client.close()
            eventually(lambda: b"abcd" not in by_key)


def test_a_reuseport_array_takes_sockets() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", 0))
        with maps.ReuseportArray.create(max_entries=2) as array:
            array[0] = server
            assert array[0] > 0
            assert 1 not in array
            del array[0]
            assert 0 not in array


def test_a_device_map_has_the_elements_that_are_there() -> None:
    loopback = socket.if_nametoindex("lo")
    for type in (MapType.DEVMAP, MapType.DEVMAP_HASH):
        with maps.DevMap.create(type, max_entries=4) as devices:
            untyped: Any = devices
            assert list(untyped) == []
            untyped[2] = loopback
            assert dict(untyped) == {2: loopback}
            untyped[2] = loopback.to_bytes(4, "little")
            assert len(untyped) == 1
            untyped.clear()
            assert 2 not in untyped


def test_a_cpu_map_has_one_element_per_cpu_by_default() -> None:
    with maps.CpuMap.create() as cpus:
        untyped: Any = cpus
        untyped[0] = 64
        assert dict(untyped) == {0: 64}


def test_a_stack_trace_map_has_no_trace_that_no_program_took() -> None:
    with maps.StackTrace.create(value_size=8 * 16, max_entries=4) as stacks:
        assert list(stacks) == []
        assert 1 not in stacks
        with pytest.raises(KeyError):
            stacks[1]
        with pytest.raises(KeyError):
            del stacks[1]
        with pytest.raises(OverflowError):
            stacks[-1]


def test_a_stack_trace_is_a_tuple_of_addresses(bpf_object: Callable[[str], Path]) -> None:
    with Object.open(bpf_object("maps_stacks")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        # Another call, such as that of detach, would leave its own stacks, perhaps in the same place.
        obj.variables["target_syscall"].value = GETPGID
        obj.load()
        obj.attach()
        stacks = obj.map("stacks", StackTrace)
        os.getpgid(0)
        obj.detach()
        kernel_id, user_id = obj.variables["kernel_id"].value, obj.variables["user_id"].value
        assert user_id >= 0
        assert {id for id in (kernel_id, user_id) if id >= 0} <= set(stacks)
        trace = stacks[user_id]
        assert isinstance(trace, tuple)
        assert 0 < len(trace) <= 16
        assert all(0 < address < 1 << 64 for address in trace)
        assert user_id in stacks
        del stacks[user_id]
        assert user_id not in stacks
        with pytest.raises(KeyError):
            stacks[user_id]


def test_values_that_name_a_program_are_structs(vmlinux: Btf) -> None:
    types: dict[str, Any] = {"btf": vmlinux, "value_type": "struct bpf_devmap_val"}
    with DevMap.create(MapType.DEVMAP_HASH, max_entries=4, **types) as devices:
        devices[7] = {"ifindex": 1, "bpf_prog": {"fd": 0}}
        assert [(index, value.ifindex, value.bpf_prog.id) for index, value in devices.items()] == [(7, 1, 0)]
    with CpuMap.create(btf=vmlinux, value_type="struct bpf_cpumap_val") as cpus:
        cpus[0] = {"qsize": 64, "bpf_prog": {"fd": 0}}
        assert cpus[0].qsize == 64


@requirements.requirement("af_xdp", "AF_XDP sockets (CONFIG_XDP_SOCKETS)", found="every kernel of the matrix")
def af_xdp() -> bool:
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW).close()
    except OSError:
        return False
    return True


# include/linux/socket.h and include/uapi/linux/if_xdp.h
AF_XDP, SOL_XDP = 44, 283
XDP_RX_RING, XDP_UMEM_REG, XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING = 2, 4, 5, 6


@contextlib.contextmanager
def af_xdp_socket() -> Iterator[socket.socket]:
    """An AF_XDP socket that has its rings."""
    import ctypes
    import mmap
    import struct

    memory = mmap.mmap(-1, 16 * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    area = struct.pack("=QQIIII", address, len(memory), 4096, 0, 0, 0)
    with socket.socket(AF_XDP, socket.SOCK_RAW) as xsk:
        xsk.setsockopt(SOL_XDP, XDP_UMEM_REG, area)
        for ring in (XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING):
            xsk.setsockopt(SOL_XDP, ring, 8)
        yield xsk


@pytest.mark.needs("af_xdp")
def test_an_xsk_map_takes_af_xdp_sockets() -> None:
    with XskMap.create(max_entries=4) as queues, af_xdp_socket() as xsk:
        queues[1] = xsk
        del queues[1]
        with socket.socket() as other, pytest.raises(OSError, match=r"E(OP)?NOTSUPP?"):
            queues[1] = other
