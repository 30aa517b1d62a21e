# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Maps that are tied to a program: by bind_map, and by association with a struct_ops map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.maps import ArrayMap, StructOpsMap
from tests.conftest import eventually
from tests.link.harness import older_than

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]


def exists(id: int) -> bool:
    """Whether there is a map of that id."""
    try:
        bpf.Map.from_id(id).close()
    except bpf.NotFoundError:
        return False
    return True


@pytest.mark.kernel("5.10", "BPF_PROG_BIND_MAP")
@pytest.mark.parametrize("origin", ["object", "id"])
def test_a_bound_map_lives_as_long_as_its_program(bpf_object: Find, origin: str) -> None:
    with bpf.Object.load_file(bpf_object("plain")) as obj:
        program = obj.programs["nothing"]
        assert program.info().map_ids == ()
        bound = ArrayMap.create(key_size=4, value_size=4, max_entries=1)
        id = bound.id
        if origin == "object":
            program.bind_map(bound)
        else:
            with bpf.Program.from_id(program.id) as found:
                found.bind_map(bound)
        # Once more changes nothing.
        program.bind_map(bound)
        bound.close()
        assert program.info().map_ids == (id,)
        assert exists(id)
        with pytest.raises(bpf.ClosedError):
            program.bind_map(bound)
    eventually(lambda: not exists(id))


@pytest.mark.needs("fentry")
def test_a_program_is_associated_with_one_struct_ops_map(bpf_object: Find) -> None:
    with bpf.Object.load_file(bpf_object("plain")) as obj, bpf.Object.open(bpf_object("struct_ops")) as other:
        program = obj.programs["nothing"]
        if older_than("6.4"):
            for map in (other.maps["first"], other.maps["second"]):
                map.flags = 0
        other.load()
        first, second = other.map("first", StructOpsMap), other.map("second", StructOpsMap)
        if older_than("7.0"):
            with pytest.raises(bpf.NotSupportedError, match=r"since Linux 7\.0"):
                program.assoc_struct_ops(first)
            return
        with StructOpsMap.from_id(first.id) as found:
            program.assoc_struct_ops(found)
        program.assoc_struct_ops(first)
        with pytest.raises(bpf.BpfError, match="associated with another map"):
            program.assoc_struct_ops(second)
        with pytest.raises(bpf.BpfError, match="has that one"):
            other.programs["first_init"].assoc_struct_ops(first)
        first_id, second_id = first.id, second.id
        other.close()
        eventually(lambda: not exists(second_id))
        assert exists(first_id)
    eventually(lambda: not exists(first_id))


def test_only_struct_ops_maps_are_associated(bpf_object: Find) -> None:
    with (
        bpf.Object.load_file(bpf_object("plain")) as obj,
        ArrayMap.create(key_size=4, value_size=4, max_entries=1) as array,
    ):
        with pytest.raises(bpf.MapTypeError, match="not STRUCT_OPS"):
            obj.programs["nothing"].assoc_struct_ops(array)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a struct_ops map is wanted"):
            obj.programs["nothing"].assoc_struct_ops(3)  # type: ignore[arg-type]
