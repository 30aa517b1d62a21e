# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Whatever goes into a map comes out of it again, for every type of key and value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pylibbpf import Btf, Object, num_possible_cpus
from pylibbpf.maps import ArrayMap, HashMap, PerCpuHashMap

pytestmark = [pytest.mark.needs("root"), pytest.mark.host("property tests")]

# A fixture is one map for all examples: that is meant.
relaxed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# Whether it has a sign, and its bits.
NUMBERS = {f"{sign}{bits}": (int(sign == "s"), bits) for sign in "us" for bits in (8, 16, 32, 64)}


def integers(signed: int, bits: int) -> st.SearchStrategy[int]:
    low = -(1 << bits - 1) if signed else 0
    return st.integers(low, low + (1 << bits) - 1)


@pytest.fixture(params=sorted(NUMBERS))
def typed(request: pytest.FixtureRequest, vmlinux: Btf) -> Iterator[tuple[str, HashMap[int, int]]]:
    name = request.param
    with HashMap.create(btf=vmlinux, key_type=name, value_type=name, max_entries=64) as map:
        yield name, map


@relaxed
@given(data=st.data())
def test_integers_of_every_size(typed: tuple[str, HashMap[int, int]], data: st.DataObject) -> None:
    name, map = typed
    map.clear()
    wanted = data.draw(st.dictionaries(integers(*NUMBERS[name]), integers(*NUMBERS[name]), max_size=20))
    map.update(wanted)
    assert dict(map) == wanted
    assert dict(map.items()) == wanted
    assert sorted(map.values()) == sorted(wanted.values())
    assert all(map[key] == map.lookup(key) == value for key, value in wanted.items())


@relaxed
@given(value=st.integers())
def test_an_integer_fits_or_changes_nothing(typed: tuple[str, HashMap[int, int]], value: int) -> None:
    name, map = typed
    signed, bits = NUMBERS[name]
    low = -(1 << bits - 1) if signed else 0
    map.clear()
    map[1] = 1
    if low <= value < low + (1 << bits):
        map[1] = value
        assert map[1] == value
    else:
        with pytest.raises(OverflowError):
            map[1] = value
        with pytest.raises(OverflowError):
            map[value] = 1
        assert dict(map) == {1: 1}


@relaxed
@given(
    content=st.dictionaries(st.binary(min_size=5, max_size=5), st.binary(min_size=3, max_size=3), max_size=30)
)
def test_bytes(content: dict[bytes, bytes]) -> None:
    with HashMap.create(key_size=5, value_size=3, max_entries=30) as map:
        map.update(content)
        assert dict(map) == content
        assert len(map) == len(content)


points = st.fixed_dictionaries({"x": integers(1, 16), "y": integers(1, 16)})
events = st.fixed_dictionaries(
    {
        "pid": integers(0, 32),
        "comm": st.binary(max_size=16).map(lambda text: text.replace(b"\0", b"x")),
        "bytes": integers(0, 64),
        "where": points,
        "colour": st.sampled_from([0, 5, 6]),
    }
)
flows = st.fixed_dictionaries({"address": integers(0, 32), "port": integers(0, 16), "zero": st.just(0)})


def plain(event: Any) -> dict[str, Any]:
    fields = {name: getattr(event, name) for name in ("pid", "comm", "bytes", "colour")}
    return {**fields, "where": {"x": event.where.x, "y": event.where.y}}


@relaxed
@given(content=st.lists(st.tuples(flows, events), max_size=10))
def test_structs(loaded: Object, content: list[tuple[dict[str, int], dict[str, Any]]]) -> None:
    map: Any = loaded.maps["events_by_flow"]
    map.clear()
    wanted = {}
    for flow, event in content:
        map[flow] = event
        wanted[flow["address"], flow["port"]] = event
    assert {(key.address, key.port): plain(value) for key, value in map.items()} == wanted
    for flow, _ in content:
        # What came out goes in again.
        map[flow] = map[flow]
        assert plain(map[flow]) == wanted[flow["address"], flow["port"]]


@relaxed
@given(event=events)
def test_structs_in_arrays_and_variables(loaded: Object, event: dict[str, Any]) -> None:
    records: ArrayMap[Any] = loaded.map("records", ArrayMap)
    records[2] = event
    loaded.variables["last"].value = records[2]
    assert plain(loaded.variables["last"].value) == plain(records[2]) == event


@relaxed
@given(values=st.lists(integers(0, 64), min_size=num_possible_cpus(), max_size=num_possible_cpus()))
def test_a_value_per_cpu(vmlinux: Btf, values: list[int]) -> None:
    with PerCpuHashMap.create(btf=vmlinux, key_type="u8", value_type="u64", max_entries=1) as map:
        map[1] = values
        assert dict(map.items()) == {1: values}
