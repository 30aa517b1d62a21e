# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Skeletons in the kernel: load, variables, maps, events, attach and close."""

from __future__ import annotations

import gc
import pickle
import warnings
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.skeleton import Maps, Programs, Variables

pytestmark = [
    pytest.mark.host("the object's own tests run on every kernel"),
    pytest.mark.needs("root", "vmlinux_btf"),
]

PACKET = bytes(64)


def test_variables_set_before_load_are_what_programs_start_with(odd: Any) -> None:
    with odd.Skeleton.open() as skeleton:
        skeleton.variables.limits = odd.Limits(rate=9, enabled=True)
        skeleton.variables.lambda_ = 20
        skeleton.variables.table = [4, 5, 6]
        skeleton.load()
        skeleton.programs.import_.test_run(PACKET)
        assert (skeleton.variables.limits.rate, skeleton.variables.lambda_) == (9, 21)
        assert skeleton.variables.table == [4, 5, 6]
        assert skeleton.variables.kernel_version == skeleton.variables.LINUX_KERNEL_VERSION > 0


def test_variables_are_the_memory_of_programs(odd: Any) -> None:
    with odd.Skeleton.open_and_load() as skeleton:
        skeleton.variables.hidden = 1000
        skeleton.programs.import_.test_run(PACKET, repeat=2)
        assert (skeleton.variables.bytes, skeleton.variables.step_counter) == (2000, 102)
        assert skeleton.variables.first == 1 + 2 * 2


def test_rodata_is_set_before_load_only(odd: Any) -> None:
    with odd.Skeleton.open_and_load() as skeleton, pytest.raises(bpf.StateError, match=r"\.rodata"):
        skeleton.variables.limits = odd.Limits()


def test_kconfig_is_never_set(odd: Any) -> None:
    opened = odd.Skeleton.open(kconfig="CONFIG_NOTHING=y")
    with opened as skeleton, pytest.raises(bpf.StateError, match="kconfig"):
        skeleton.variables.LINUX_KERNEL_VERSION = 5


def test_elements_of_maps_are_of_the_classes_of_the_module(odd: Any) -> None:
    with odd.Skeleton.open_and_load() as skeleton:
        record = odd.Record(from_=1, names=[b"a", b"b"], address={"v4": 0x0100007F})
        skeleton.maps.from_[odd.Colour.GREEN] = record
        skeleton.programs.import_.test_run(PACKET)
        ((key, found),) = skeleton.maps.from_.items()
        assert key is odd.Colour.GREEN
        assert type(found) is odd.Record
        assert (found.version, found.delta, found.matrix[1][2]) == (6, -3, 12)
        assert (found.from_, found.names[1], found.address.v6[0]) == (1, b"b", 0x7F)
        skeleton.maps.bss[1] = [[1, 2, 3], [4, 5, 6]]
        assert skeleton.maps.bss[1] == [[1, 2, 3], [4, 5, 6]]


def test_events_are_of_the_classes_of_the_module(odd: Any) -> None:
    with odd.Skeleton.open_and_load() as skeleton:
        skeleton.programs.import_.test_run(PACKET)
        with bpf.RingBuffer(skeleton.maps.events, odd.Event) as by_class:
            (event,) = by_class.read_batch()
            assert (type(event), event.kind) == (odd.Event, 3)
        skeleton.programs.import_.test_run(PACKET)
        with bpf.RingBuffer(skeleton.maps.events, "struct event") as by_name:
            assert [type(event) for event in by_name.read_batch()] == [odd.Event]


def test_two_of_a_skeleton_share_classes_and_nothing_else(odd: Any) -> None:
    with odd.Skeleton.open_and_load() as one, odd.Skeleton.open_and_load() as two:
        one.variables.origin = odd.PointT(x=7)
        assert (one.variables.origin.x, two.variables.origin.x) == (7, 1)
        two.variables.origin = one.variables.origin
        assert type(two.variables.origin) is type(one.variables.origin) is odd.PointT


def test_structs_are_pickled_and_named_as_their_module_has_them(odd: Any) -> None:
    assert (odd.Record.__name__, odd.Record.__module__) == ("Record", "skeleton_skel")
    assert odd.Record.__annotations__["label"] == "builtins.bytes"
    point = odd.PointT(x=1, y=-2)
    assert pickle.loads(pickle.dumps(point)) == point


def test_close_is_idempotent_and_closes_the_object(odd: Any) -> None:
    with odd.Skeleton.open() as skeleton:
        assert not skeleton.closed
    assert skeleton.closed
    skeleton.close()
    with pytest.raises(bpf.ClosedError):
        skeleton.load()
    with pytest.raises(bpf.ClosedError), skeleton:
        raise AssertionError


def test_a_skeleton_that_is_dropped_says_so(odd: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        odd.Skeleton.open()
        gc.collect()
    assert [str(warning.message) for warning in caught] == ["<Object 'skeleton', opened> was not closed"]


def test_is_made_by_open(odd: Any) -> None:
    with pytest.raises(TypeError, match=r"use Skeleton\.open\(\)"):
        odd.Skeleton()


def test_attributes_are_listed_by_repr(odd: Any) -> None:
    with odd.Skeleton.open() as skeleton:
        assert repr(skeleton.programs) == "<SkeletonPrograms: import_, maps_used>"
        assert "events" in repr(skeleton.maps)
        assert "lambda_" in repr(skeleton.variables)
        assert repr(skeleton) == "<Skeleton <Object 'skeleton', opened>>"
        assert isinstance(skeleton.programs, Programs)
        assert isinstance(skeleton.maps, Maps)
        assert isinstance(skeleton.variables, Variables)
