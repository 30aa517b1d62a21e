# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What can be set of an object's maps before load, and never after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import BpfError, MapTypeError, NotSupportedError, Object, StateError
from pylibbpf.enums import MapFlags, MapType
from pylibbpf.maps import ArrayMap, HashMap, LruHashMap, PerCpuHashMap
from tests.maps.conftest import NEWER
from tests.requirements import libbpf_version

pytestmark = pytest.mark.needs("root")


def test_the_kernel_has_what_was_set_before_load(opened: Object) -> None:
    spare = opened.maps["spare"]
    assert (spare.type, spare.key_size, spare.value_size, spare.max_entries, spare.flags) == (
        *(MapType.HASH, 4, 4, 16, MapFlags(0)),
    )
    spare.key_size = 8
    spare.value_size = 24
    spare.max_entries = 99
    spare.flags = MapFlags.NO_PREALLOC | MapFlags.NUMA_NODE
    spare.numa_node = 0
    assert (spare.key_size, spare.value_size, spare.max_entries) == (8, 24, 99)
    opened.load()
    info = spare.info()
    assert (info.key_size, info.value_size, info.max_entries) == (8, 24, 99)
    assert info.flags == MapFlags.NO_PREALLOC | MapFlags.NUMA_NODE
    assert spare.numa_node == 0


def test_a_size_that_was_set_makes_the_type_void(opened: Object) -> None:
    spare: Any = opened.maps["spare"]
    spare.value_size = 6
    opened.load()
    spare[7] = b"sixsix"
    assert dict(spare) == {7: b"sixsix"}


def test_a_map_changes_its_class_with_its_type(opened: Object) -> None:
    spare: Any = opened.maps["spare"]
    for type, cls in (
        (MapType.ARRAY, ArrayMap),
        (MapType.PERCPU_HASH, PerCpuHashMap),
        (MapType.LRU_HASH, LruHashMap),
    ):
        spare.type = type
        assert spare.__class__ is cls
        assert spare.type == type
        assert opened.maps["spare"] is spare
    opened.load()
    spare[1] = 2
    assert dict(spare) == {1: 2}
    assert spare.info().type == MapType.LRU_HASH


@pytest.mark.parametrize("type", [MapType.STRUCT_OPS, MapType.ARENA])
def test_types_with_memory_of_their_own_cannot_be_chosen(opened: Object, type: MapType) -> None:
    with pytest.raises(ValueError, match="cannot change"):
        opened.maps["spare"].type = type
    assert opened.maps["spare"].type == MapType.HASH


def test_the_shape_of_global_data_is_fixed(opened: Object) -> None:
    for name in (".data", ".rodata", ".bss", ".kconfig"):
        section = opened.maps[name]
        for what, value in (("type", MapType.HASH), ("key_size", 8), ("max_entries", 1000)):
            with pytest.raises(ValueError, match="global data"):
                setattr(section, what, value)
    with pytest.raises(ValueError, match="value_size"):
        opened.maps[".kconfig"].value_size = 1 << 20
    opened.load()


def test_after_load_nothing_can_be_set(loaded: Object) -> None:
    spare = loaded.maps["spare"]
    values: dict[str, Any] = {"type": MapType.HASH, "pin_path": None, "autocreate": True, "autoattach": True}
    values |= dict.fromkeys(("key_size", "value_size", "max_entries", "map_extra", "numa_node", "ifindex"), 4)
    for what, value in {**values, "flags": 0}.items():
        with pytest.raises(StateError, match="loaded"):
            setattr(spare, what, value)


def test_a_map_of_no_object_has_nothing_to_configure() -> None:
    with HashMap.create(key_size=4, value_size=4, max_entries=4, name="alone") as map:
        with pytest.raises(StateError, match="alone"):
            map.max_entries = 5
        with pytest.raises(StateError):
            map.reuse(map)
        assert map.max_entries == 4


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("max_entries", -1),
        ("max_entries", 1 << 32),
        ("key_size", "4"),
        ("map_extra", 1 << 64),
        ("pin_path", "a\0b"),
    ],
)
def test_what_does_not_fit_is_refused(opened: Object, what: str, value: Any) -> None:
    with pytest.raises((OverflowError, TypeError, ValueError)):
        setattr(opened.maps["spare"], what, value)
    opened.load()


def test_only_struct_ops_attach_by_themselves(opened: Object) -> None:
    assert opened.maps["counts"].autoattach is False
    with pytest.raises(ValueError, match="'counts' is of type HASH: only struct_ops maps attach"):
        opened.maps["counts"].autoattach = True


def test_initial_values_are_what_the_program_starts_with(opened: Object) -> None:
    tuning = opened.maps[".data.tuning"]
    assert tuning.initial_value == (3).to_bytes(4, "little")
    tuning.initial_value = (1003).to_bytes(4, "little")
    for wrong in (b"", b"12345"):
        with pytest.raises(ValueError, match="4 bytes"):
            tuning.initial_value = wrong
    with pytest.raises(ValueError, match="no initial value"):
        opened.maps["counts"].initial_value = b"1234"
    assert opened.maps["counts"].initial_value is None
    opened.load()
    assert opened.variables["tuned"].value == 1003
    with pytest.raises(StateError):
        tuning.initial_value = b"1234"


# --- pins by path ------------------------------------------------------------------


def test_load_pins_a_map_and_the_next_load_reuses_it(bpf_object: Callable[[str], Path], bpffs: Path) -> None:
    path = bpffs / "shared"
    ids: list[int] = []
    for value in (1, 2):
        with Object.open(bpf_object("maps")) as obj:
            for name in NEWER:
                obj.maps[name].autocreate = False
            shared: Any = obj.maps["spare"]
            assert shared.pin_path is None
            shared.pin_path = path
            assert shared.pin_path == str(path)
            assert not shared.pinned_path
            obj.load()
            assert shared.pinned_path == str(path)
            with pytest.raises(StateError):
                shared.pin(bpffs / "elsewhere")
            ids.append(shared.id)
            shared[value] = value
    assert ids[0] == ids[1]
    with HashMap.from_pin(path) as found:
        assert dict(found) == {1: 1, 2: 2}
        found.unpin()


def test_a_map_that_is_pinned_by_name_is_shared_below_the_root_of_pins(
    bpf_object: Callable[[str], Path], bpffs: Path
) -> None:
    path = bpffs / "by_name"
    ids = []
    for value in (1, 2):
        with Object.open(bpf_object("maps_pinned"), pin_root=bpffs) as obj:
            shared: HashMap[int, int] = obj.map("by_name", HashMap)
            assert shared.pin_path == str(path)
            obj.load()
            ids.append(shared.id)
            shared[value] = value
    assert ids[0] == ids[1]
    with Object.open(bpf_object("maps_pinned"), pin_root=bpffs) as other:
        changed = other.maps["by_name"]
        changed.type = MapType.LRU_HASH
        changed.key_size, changed.value_size, changed.max_entries = 8, 4, 32
        error = failed_load(other)
        assert isinstance(error, MapTypeError)
        assert str(error) == (
            f"map 'by_name' cannot reuse the map that is pinned at '{path}': type is LRU_HASH here and HASH "
            "there; key_size is 8 here and 4 there; value_size is 4 here and 8 there; max_entries is 32 here "
            "and 16 there"
        )
    with HashMap.from_pin(path) as found:
        assert dict(found) == {1: 1, 2: 2}
        found.unpin()
    with Object.open(bpf_object("maps_pinned"), pin_root=bpffs) as apart:
        apart.maps["by_name"].pin_path = None  # as if it were not pinned
        apart.load()
        assert not path.exists()
        assert apart.maps["by_name"].pinned_path is None


def test_a_pin_of_another_shape_is_refused_with_every_difference(
    bpf_object: Callable[[str], Path], bpffs: Path
) -> None:
    path = bpffs / "other"
    with (
        HashMap.create(key_size=4, value_size=8, max_entries=9) as other,
        Object.open(bpf_object("maps")) as obj,
    ):
        other.pin(path)
        for name in NEWER:
            obj.maps[name].autocreate = False
        obj.maps["spare"].pin_path = path
        error = failed_load(obj)
        assert isinstance(error, MapTypeError)
        assert str(error) == (
            f"map 'spare' cannot reuse the map that is pinned at '{path}': "
            "value_size is 4 here and 8 there; max_entries is 16 here and 9 there"
        )
        other.unpin()


def test_a_type_that_the_kernel_lacks_is_not_supported(
    bpf_object: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pylibbpf.maps import creation

    def refused() -> BaseException:
        with Object.open(bpf_object("maps")) as obj:
            for name in NEWER:
                obj.maps[name].autocreate = False
            obj.maps["spare"].key_size = 0
            return failed_load(obj)

    # A kernel that has the type says EINVAL to a key of no bytes, and so does one that lacks the type.
    assert not isinstance(refused(), NotSupportedError)
    monkeypatch.setattr(creation, "is_missing", lambda type: True)
    error = refused()
    assert isinstance(error, NotSupportedError)
    assert "Map 'spare': The kernel has no maps of type HASH" in str(error)


def failed_load(obj: Object) -> BaseException:
    with pytest.raises((BpfError, MapTypeError)) as caught:
        obj.load()
    return caught.value


def test_a_pin_that_load_made_can_be_removed(opened: Object, bpffs: Path) -> None:
    spare = opened.maps["spare"]
    spare.pin_path = bpffs / "spare"
    opened.load()
    assert (bpffs / "spare").exists()
    spare.unpin()
    assert not (bpffs / "spare").exists()
    assert spare.pinned_path is None
    spare.unpin()


# --- reuse -------------------------------------------------------------------------------


def test_two_objects_share_a_map(bpf_object: Callable[[str], Path], loaded: Object) -> None:
    first: Any = loaded.maps["counts"]
    first[9] = 99
    with Object.open(bpf_object("maps")) as other:
        for name in NEWER:
            other.maps[name].autocreate = False
        counts: Any = other.maps["counts"]
        counts.reuse(first)
        # It exists from then on, and cannot be configured.
        assert counts[9] == 99
        with pytest.raises(StateError, match="reuses"):
            counts.max_entries = 5
        other.load()
        counts[10] = 100
        assert counts.id == first.id
        assert first[10] == 100
        with pytest.raises(StateError):
            counts.reuse(first)


def test_reuse_lists_every_difference(opened: Object) -> None:
    with (
        LruHashMap.create(key_size=8, value_size=4, max_entries=5, name="other") as other,
        pytest.raises(MapTypeError) as caught,
    ):
        opened.maps["spare"].reuse(other)
    message = str(caught.value)
    for part in ("HASH here and LRU_HASH there", "key_size is 4 here and 8 there", "max_entries is 16 here"):
        assert part in message
    assert "value_size" not in message


@pytest.mark.kernel("5.16", "bloom filters")
def test_the_number_of_hashes_of_a_bloom_filter_is_set_before_load(opened: Object) -> None:
    probably = opened.maps["probably"]
    probably.autocreate = True
    probably.map_extra = 3
    opened.load()
    assert probably.info().map_extra == probably.map_extra == 3


def test_a_device_that_takes_no_maps_fails_the_load(opened: Object) -> None:
    spare = opened.maps["spare"]
    spare.ifindex = 1
    assert spare.ifindex == 1
    with pytest.raises(BpfError, match="spare"):
        opened.load()


@pytest.mark.kernel("6.18", "exclusive programs")
def test_a_map_can_be_for_one_program_only(opened: Object) -> None:
    if libbpf_version() < (1, 7):
        with pytest.raises(NotSupportedError):
            opened.maps["spare"].exclusive_program = opened.programs["count"]
        return
    spare: Any = opened.maps["spare"]
    assert spare.exclusive_program is None
    spare.exclusive_program = opened.programs["count"]
    assert spare.exclusive_program is opened.programs["count"]
    opened.load()
    with pytest.raises(StateError):
        spare.exclusive_program = opened.programs["count"]


@pytest.mark.kernel("6.18", "exclusive programs")
@pytest.mark.needs("libbpf_1_7")
@pytest.mark.parametrize(("program", "loads"), [("queue_up", True), ("landed", False)])
def test_no_other_program_may_use_an_exclusive_map(
    bpf_object: Callable[[str], Path], program: str, loads: bool
) -> None:
    with Object.open(bpf_object("maps_targets")) as obj:
        obj.maps["line"].exclusive_program = obj.programs[program]
        if loads:
            obj.load()
        else:
            with pytest.raises(OSError, match="queue_up"):
                obj.load()
