# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""map dump, get, set, pop and delete: typed by BTF, checked from this process."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.maps import HashMap, PerCpuArray, ProgramArray, Queue
from tests.cli.commands import data, failure, output

pytestmark = [pytest.mark.needs("root"), pytest.mark.host("a process for each test")]


def map_id(obj: bpf.Object, name: str) -> int:
    return obj.maps[name].info().id


def visits_of(obj: bpf.Object) -> HashMap[int, Any]:
    return obj.map("cli_visits", HashMap)


def test_a_dump_is_typed(loaded: bpf.Object) -> None:
    visits, id = visits_of(loaded), map_id(loaded, "cli_visits")
    visits[7] = {"count": 3, "where": {"x": -1, "y": 2}, "colour": "GREEN", "label": b'a"b'}
    assert data("map", "dump", id) == [
        {
            "key": 7,
            "value": {"count": 3, "where": {"x": -1, "y": 2}, "colour": "GREEN", "label": 'a"b'},
        }
    ]
    assert output("map", "dump", id) == (
        '7: {count: 3, where: {x: -1, y: 2}, colour: "GREEN", label: "a\\"b"}\n'
    )


def test_an_empty_map_dumps_nothing(loaded: bpf.Object) -> None:
    assert output("map", "dump", map_id(loaded, "cli_visits")) == ""
    assert data("map", "dump", map_id(loaded, "cli_visits")) == []


def test_values_are_set_as_json_and_fields_left_out_are_zero(loaded: bpf.Object) -> None:
    visits, id = visits_of(loaded), map_id(loaded, "cli_visits")
    assert (
        output("map", "set", id, 7, '{"count": 9, "where": {"y": -4}, "colour": "GREEN", "label": "hi"}')
        == ""
    )
    assert visits[7].asdict() == {"count": 9, "where": {"x": 0, "y": -4}, "colour": 5, "label": b"hi"}
    output("map", "set", id, "0x10", json.dumps({"count": 1}))
    assert 16 in visits
    assert data("map", "get", id, 7) == {
        "count": 9, "where": {"x": 0, "y": -4}, "colour": "GREEN", "label": "hi",
    }  # fmt: skip
    assert output("map", "get", id, 16) == '{count: 1, where: {x: 0, y: 0}, colour: "RED", label: ""}\n'


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("one", "{}", "takes an int"),
        ("-1", "{}", "-1"),
        ("1", '{"count": -1}', "count"),
        ("1", '{"nonesuch": 1}', "nonesuch"),
        ("1", '{"where": {"x": 40000}}', "x"),
        ("1", '{"colour": "BLUE"}', "BLUE"),
        ("1", '{"label": "far too long"}', "label"),
        ("1", "{broken", "is no JSON"),
        ("1", "hex:00", "takes 24 bytes, not 1"),
        ("1", "hex:xx", "hexadecimal digits"),
        ("1", "7", "takes a dict"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(
    loaded: bpf.Object, key: str, value: str, words: str
) -> None:
    message = failure("map", "set", map_id(loaded, "cli_visits"), "--", key, value)
    assert words in message
    assert len(visits_of(loaded)) == 0


def test_keys_can_be_asked_to_be_new_or_there(loaded: bpf.Object) -> None:
    id = map_id(loaded, "cli_visits")
    assert "has no key 1" in failure("map", "set", "--existing", id, 1, "{}")
    output("map", "set", "--new", id, 1, "{}")
    assert "File exists" in failure("map", "set", "--new", id, 1, '{"count": 1}')
    output("map", "set", "--existing", id, 1, '{"count": 2}')
    assert visits_of(loaded)[1].count == 2


def test_a_missing_key_is_status_1(loaded: bpf.Object) -> None:
    id = map_id(loaded, "cli_visits")
    assert "has no key 5" in failure("map", "get", id, 5)
    assert "has no key 5" in failure("map", "delete", id, 5)
    assert "needs a key, of type __u32" in failure("map", "get", id)


def test_keys_are_deleted(loaded: bpf.Object) -> None:
    visits = visits_of(loaded)
    visits[1] = visits[2] = {"count": 1, "where": (0, 0), "colour": 0, "label": b""}
    output("map", "delete", map_id(loaded, "cli_visits"), 1)
    assert list(visits) == [2]


@pytest.mark.kernel("5.14", "lookup and delete in hashes")
def test_a_value_is_popped_from_a_hash(loaded: bpf.Object) -> None:
    visits = visits_of(loaded)
    visits[3] = {"count": 4, "where": (0, 0), "colour": 0, "label": b""}
    assert data("map", "pop", map_id(loaded, "cli_visits"), 3)["count"] == 4
    assert list(visits) == []
    assert "has no key 3" in failure("map", "pop", map_id(loaded, "cli_visits"), 3)


def test_queues_have_no_keys(loaded: bpf.Object) -> None:
    id = map_id(loaded, "cli_queue")
    output("map", "set", id, 8)
    output("map", "set", id, 9)
    # The kernel takes no types for queues.
    assert output("map", "get", id) == "08000000\n"
    assert output("map", "pop", id) == "08000000\n"
    assert loaded.map("cli_queue", Queue).pop() == 9
    assert "is empty" in failure("map", "pop", id)
    assert "has no keys" in failure("map", "set", id, 1, 2)
    assert "`pylibbpf map get` shows the next value" in failure("map", "dump", id)


def test_per_cpu_values_are_lists(loaded: bpf.Object) -> None:
    values, id = loaded.map("cli_per_cpu", PerCpuArray), map_id(loaded, "cli_per_cpu")
    cpus = bpf.num_possible_cpus()
    values[0] = list(range(cpus))
    assert data("map", "get", id, 0) == list(range(cpus))
    assert data("map", "dump", id)[1] == {"key": 1, "value": [0] * cpus}
    output("map", "set", id, 1, 5)
    assert values[1] == [5] * cpus
    output("map", "set", id, 1, json.dumps(list(range(cpus))))
    assert values[1] == list(range(cpus))
    assert f"takes {cpus} values" in failure("map", "set", id, 1, "[1, 2, 3, 4, 5, 6, 7, 8, 9]")


def test_without_types_elements_are_hexadecimal(loaded: bpf.Object) -> None:
    id = map_id(loaded, "cli_untyped")
    output("map", "set", id, "hex:01000000", "hex:0a0b0c0d0e0f")
    assert list(loaded.map("cli_untyped", HashMap).items()) == [(b"\1\0\0\0", bytes.fromhex("0a0b0c0d0e0f"))]
    assert output("map", "dump", id) == "01000000: 0a0b0c0d0e0f\n"
    assert output("map", "get", id, "hex:01000000") == "0a0b0c0d0e0f\n"


def test_global_variables_are_read_by_name(loaded: bpf.Object) -> None:
    loaded.variables["calls"].value = 12
    assert output("map", "dump", map_id(loaded, ".bss")) == "calls: 12\nunused: 0\n"
    assert data("map", "get", map_id(loaded, ".data"), "colour") == "GREEN"
    assert output("map", "get", map_id(loaded, ".rodata"), "target_pid") == f"{os.getpid()}\n"
    assert "did you mean 'calls'" in failure("map", "get", map_id(loaded, ".bss"), "call")


def test_maps_of_programs_have_their_ids(loaded: bpf.Object) -> None:
    id = map_id(loaded, "cli_programs")
    program = loaded.programs["cli_on_getpgid"]
    loaded.map("cli_programs", ProgramArray)[2] = program
    assert data("map", "dump", id) == [{"key": 2, "value": program.id}]
    assert output("map", "get", id, 2) == f"{program.id}\n"
    assert "no data that could be written" in failure("map", "set", id, 2, 7)
    output("map", "delete", id, 2)
    assert data("map", "dump", id) == []


def test_a_ring_is_not_dumped(loaded: bpf.Object) -> None:
    assert "`pylibbpf run` reads its events" in failure("map", "dump", map_id(loaded, "events"))
