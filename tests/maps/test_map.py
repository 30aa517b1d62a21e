# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Where maps come from, what they say of themselves, and how they end."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import struct
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import (
    BpfError,
    Btf,
    ClosedError,
    ExistsError,
    MapTypeError,
    NotFoundError,
    Object,
    PermissionDeniedError,
    StateError,
)
from pylibbpf.enums import MapFlags, MapType
from pylibbpf.maps import ArrayMap, HashMap, LruHashMap, Map

pytestmark = pytest.mark.needs("root")


def small(**options: Any) -> Any:
    return HashMap.create(**{"key_size": 4, "value_size": 8, "max_entries": 10, **options})


# --- create ---------------------------------------------------------------------


def test_the_kernel_reports_what_was_asked_for() -> None:
    with small(name="a_name.1", flags=MapFlags.NO_PREALLOC) as map:
        info = map.info()
        assert (info.type, info.name, info.key_size, info.value_size, info.max_entries, info.flags) == (
            *(MapType.HASH, "a_name.1", 4, 8, 10, MapFlags.NO_PREALLOC),
        )
        assert info.id == map.id
        assert info.frozen is False
        assert info.memlock is not None
        assert (map.name, map.type, map.key_size, map.value_size) == ("a_name.1", MapType.HASH, 4, 8)
        assert (map.max_entries, map.flags, map.map_extra, map.ifindex) == (10, MapFlags.NO_PREALLOC, 0, 0)
        assert (map.autocreate, map.autoattach, map.pin_path, map.initial_value) == (True, False, None, None)
        assert fcntl.fcntl(map.fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        assert map.fileno() == map.fd > 2


def test_the_base_class_makes_a_map_of_the_type_it_is_told() -> None:
    with Map.create(MapType.LRU_HASH, key_size=4, value_size=4, max_entries=8) as map:
        assert type(map) is LruHashMap
    with pytest.raises(TypeError, match="type"):
        Map.create(key_size=4, value_size=4, max_entries=8)


def test_maps_are_not_made_by_the_constructor() -> None:
    with pytest.raises(TypeError, match="from_pin"):
        HashMap()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": "a name that is too long"}, ValueError),
        ({"name": "nul\0"}, ValueError),
        ({"key_size": -1}, OverflowError),
        ({"max_entries": 1 << 32}, OverflowError),
        ({"value_size": None}, TypeError),
        ({"max_entries": None}, TypeError),
        ({"key_type": "u32"}, TypeError),
    ],
)
def test_bad_arguments_never_reach_the_kernel(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        small(**options)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"max_entries": 0}, "max_entries is 0"),
        ({"value_size": 0}, "value_size is 0"),
        ({"value_size": 1 << 31}, "too large"),
    ],
)
def test_what_the_kernel_refuses_has_a_hint(options: dict[str, Any], hint: str) -> None:
    with pytest.raises(BpfError, match=hint):
        small(**options)


def test_a_type_that_contradicts_a_size_raises(vmlinux: Btf) -> None:
    with pytest.raises(ValueError, match="u32 takes 4 bytes"):
        HashMap.create(btf=vmlinux, key_type="u32", key_size=8, value_size=4, max_entries=1)


def test_a_numa_node_is_kept(vmlinux: Btf) -> None:
    with small(numa_node=0) as map:
        assert map.numa_node == 0
        assert map.flags & MapFlags.NUMA_NODE


# --- pins, ids, fds -----------------------------------------------------------------


def test_a_pinned_map_is_opened_in_its_class_with_its_types(loaded: Object, bpffs: Path) -> None:
    path = bpffs / "counts"
    counts: Any = loaded.maps["counts"]
    counts[5] = 55
    counts.pin(path)
    assert counts.pinned_path == str(path)
    with pytest.raises(StateError, match="pinned"):
        counts.pin(bpffs / "other")
    loaded.close()
    with Map.from_pin(path) as found:
        assert isinstance(found, HashMap)
        assert dict(found) == {5: 55}
        assert found.pinned_path == str(path)
        found.unpin()
        assert not path.exists()
        found.unpin()
        assert not found.pinned_path
        found.pin(path)
    with HashMap.from_pin(path) as again:
        again.unpin()


def test_a_pin_is_never_overwritten_and_a_failed_pin_is_not_remembered(bpffs: Path) -> None:
    with small() as map, small() as other:
        map.pin(bpffs / "pin")
        with pytest.raises(ExistsError):
            other.pin(bpffs / "pin")
        assert other.pinned_path is None
        other.unpin()
        assert (bpffs / "pin").exists()
        with pytest.raises(NotFoundError):
            other.pin(bpffs / "missing" / "pin")
        map.unpin()


def test_the_pin_of_another_kind_is_refused(loaded: Object, bpffs: Path) -> None:
    loaded.programs["count"].pin(bpffs / "program")
    with pytest.raises(TypeError, match="prog"):
        Map.from_pin(bpffs / "program")
    with pytest.raises(NotFoundError):
        Map.from_pin(bpffs / "missing")
    loaded.maps["slots"].pin(bpffs / "slots")
    with pytest.raises(MapTypeError, match=r"'slots' is of class ArrayMap"):
        HashMap.from_pin(bpffs / "slots")
    loaded.programs["count"].unpin()
    loaded.maps["slots"].unpin()


def test_a_map_is_found_by_its_id_with_the_types_of_its_btf(loaded: Object) -> None:
    records: Any = loaded.maps["records"]
    value = records[1]
    value.comm = b"by id"
    records[1] = value
    with Map.from_id(records.id) as found:
        assert isinstance(found, ArrayMap)
        assert found[1].comm == b"by id"
        assert found.name == "records"


def test_an_id_that_nobody_has_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        Map.from_id(0x7FFFFFFF)
    with pytest.raises(OverflowError):
        Map.from_id(-1)


def test_an_fd_is_duplicated(loaded: Object) -> None:
    fd = os.dup(loaded.maps["counts"].fd)
    counts = HashMap.from_fd(fd)
    os.close(fd)
    with counts:
        counts[1] = 5
        assert counts[1] == 5


def test_an_fd_of_something_else_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file, pytest.raises(TypeError, match="no BPF object"):
        Map.from_fd(file.fileno())
    with pytest.raises(TypeError):
        Map.from_fd(9999)


# --- freeze ---------------------------------------------------------------------------


@pytest.mark.kernel("5.2", "freezing maps")
def test_a_frozen_map_can_be_read_and_not_written() -> None:
    with small() as map:
        map[b"key1"] = bytes(8)
        map.freeze()
        assert map.info().frozen
        with pytest.raises(PermissionDeniedError, match="frozen"):
            map[b"key2"] = bytes(8)
        assert dict(map) == {b"key1": bytes(8)}
        with pytest.raises(BpfError, match="already") as caught:
            map.freeze()
        # EBUSY until 5.16, and then the fd has no right to write any more.
        assert caught.value.errno in (errno.EBUSY, errno.EPERM)


# --- end --------------------------------------------------------------------------------


def test_use_after_close_raises_closed_error() -> None:
    map = small(name="gone")
    assert not map.closed
    map[b"key1"] = bytes(8)
    iterator = iter(map)
    map.close()
    map.close()
    assert map.closed
    for use in (
        lambda: map[b"key1"],
        lambda: map.put(b"key1", bytes(8)),
        lambda: map.delete(b"key1"),
        lambda: map.lookup(b"key1"),
        lambda: map.pop(b"key1"),
        lambda: list(map.items()),
        lambda: next(iterator),
        lambda: len(map),
        lambda: map.fd,
        lambda: map.id,
        map.info,
        map.freeze,
        lambda: map.pin("/sys/fs/bpf/nothing"),
        lambda: map.lookup_bytes(b"key1"),
        map.__enter__,
    ):
        with pytest.raises(ClosedError, match="gone"):
            use()
    assert "closed" in repr(map)


def test_closing_before_first_use_is_a_closed_error_too() -> None:
    map = small()
    map.close()
    with pytest.raises(ClosedError):
        map[b"key1"]


def test_closing_a_map_of_an_object_leaves_it_in_the_kernel(loaded: Object) -> None:
    counts = loaded.maps["counts"]
    id = counts.id
    counts.close()
    assert counts.closed
    with pytest.raises(ClosedError):
        counts.fd
    with Map.from_id(id) as found:
        assert found.id == id


def test_the_maps_of_a_closed_object_are_closed(loaded: Object) -> None:
    counts: Any = loaded.maps["counts"]
    counts[1] = 1
    loaded.close()
    assert counts.closed
    for use in (lambda: counts[1], lambda: counts.fd, lambda: counts.max_entries):
        with pytest.raises(ClosedError):
            use()
    # Facts that were read once need nothing more.
    assert (counts.name, counts.type) == ("counts", MapType.HASH)


def test_a_map_that_nobody_closes_warns_and_frees_its_fd() -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.warns(ResourceWarning, match="forgotten"):
        small(name="forgotten")
    with small():
        pass  # the next call frees what finalizers left
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_map_keeps_its_object_alive(bpf_object: Callable[[str], Path]) -> None:
    obj = Object.open(bpf_object("spine"))
    map: Any = obj.maps[".bss"]
    alive = weakref.ref(obj)
    del obj
    gc.collect()
    found = alive()
    assert found is not None
    found.load()
    assert len(map[0]) == map.value_size
    found.close()


def test_before_load_a_map_does_not_exist(opened: Object) -> None:
    counts: Any = opened.maps["counts"]
    for use in (
        lambda: counts[1],
        lambda: counts.fd,
        lambda: counts.id,
        lambda: len(counts),
        counts.info,
    ):
        with pytest.raises(StateError, match="before its object is loaded"):
            use()
    opened.load()
    assert len(counts) == 0


@pytest.mark.needs("root")
def test_a_map_that_is_not_created_has_no_fd_although_libbpf_has_a_placeholder(opened: Object) -> None:
    opened.maps["spare"].autocreate = False
    opened.load()
    with pytest.raises(StateError, match="autocreate"):
        opened.maps["spare"].fd
    assert opened.maps["spare"].autocreate is False


def test_fds_of_an_object_are_taken_when_they_are_asked_for(loaded: Object) -> None:
    before = len(os.listdir("/proc/self/fd"))
    counts = loaded.maps["counts"]
    assert counts.fd == counts.fd
    assert counts.fd > 2
    assert len(os.listdir("/proc/self/fd")) == before + 1
    counts.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_failed_opens_leave_no_fd(bpffs: Path) -> None:
    with small(name="only_hash") as map:
        map.pin(bpffs / "pin")
        before = sorted(os.listdir("/proc/self/fd"))
        for attempt in (
            lambda: ArrayMap.from_pin(bpffs / "pin"),
            lambda: ArrayMap.from_fd(map.fd),
            lambda: ArrayMap.from_id(map.id),
        ):
            with pytest.raises(MapTypeError):
                attempt()
        assert sorted(os.listdir("/proc/self/fd")) == before
        map.unpin()


def test_nothing_warns_at_close() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with small():
            pass
        gc.collect()


def test_types_can_be_given_when_a_map_is_opened(
    numbers: HashMap[int, int], vmlinux: Btf, bpffs: Path
) -> None:
    numbers[1] = 1 << 40
    numbers.pin(bpffs / "numbers")
    types: dict[str, Any] = {"btf": vmlinux, "key_type": "s32", "value_type": "s64"}
    for opened in (
        HashMap.from_fd(numbers.fd, **types),
        HashMap.from_id(numbers.id, **types),
        HashMap.from_pin(bpffs / "numbers", **types),
    ):
        with opened as map:
            assert dict(map.items()) == {1: 1 << 40}
            map[-1] = -1
            del map[-1]
    with HashMap.from_fd(numbers.fd, btf=vmlinux, value_type="u64") as half:
        assert half[b"\1\0\0\0"] == 1 << 40
    with pytest.raises(ValueError, match="u16 takes 2 bytes, and the map's value_size is 8"):
        HashMap.from_fd(numbers.fd, btf=vmlinux, value_type="u16")
    with pytest.raises(TypeError, match="need btf"):
        HashMap.from_fd(numbers.fd, value_type="u16")
    numbers.unpin()


def test_reading_the_types_of_an_opened_map_without_rights_says_what_to_do(loaded: Object) -> None:
    fd = loaded.maps["counts"].fd
    child = os.fork()
    if not child:
        status = 1
        try:
            keep_cap_bpf_only()
            with HashMap.from_fd(fd) as map:
                assert map.lookup_bytes(bytes(4)) is None
                map[1]
        except PermissionDeniedError as error:
            status = 0 if "CAP_SYS_ADMIN. Give them when you open it" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def keep_cap_bpf_only() -> None:
    """Takes every capability but CAP_BPF from this process: capset(2)."""
    import ctypes

    version, cap_bpf = 0x20080522, 39
    header = struct.pack("=Ii", version, 0)
    # Effective, permitted and inheritable, the low 32 bits of all three and then the high ones.
    data = struct.pack("=6I", 0, 0, 0, *(1 << cap_bpf - 32,) * 2, 0)
    assert ctypes.CDLL(None).capset(header, data) == 0


def test_without_rights_the_message_names_them() -> None:
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setresuid(65534, 65534, 65534)
            # Where unprivileged users may make a hash, they still may not make this one.
            small(type=MapType.LRU_HASH)
        except PermissionDeniedError as error:
            status = 0 if "CAP_BPF" in str(error) else 2
        except BaseException:
            status = 3
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
