# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Maps that say where to go: a program that asks such a map goes where Python has put it."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import Object, num_possible_cpus
from pylibbpf.enums import AttachType, MapType
from pylibbpf.link import attach_cgroup
from pylibbpf.maps import (
    CpuMap,
    DevMap,
    InsnArray,
    LegacyCgroupStorage,
    LegacyPerCpuCgroupStorage,
    PerCpuHashMap,
    XskMap,
)
from tests.maps.test_kinds import af_xdp_socket

pytestmark = pytest.mark.needs("root")

# enum xdp_action
PASS, REDIRECT = 2, 4
FRAME = bytes(64)


@pytest.fixture
def targets(bpf_object: Callable[[str], Path]) -> Iterator[Object]:
    with Object.load_file(bpf_object("maps_targets")) as obj:
        yield obj


def test_an_object_makes_each_kind_in_its_class(targets: Object) -> None:
    kinds = {name: (type(map).__name__, map.info().type) for name, map in targets.maps.items()}
    assert {name: kind for name, kind in kinds.items() if not targets.maps[name]._internal} == {
        "jumps": ("ProgramArray", MapType.PROG_ARRAY),
        "devices": ("DevMap", MapType.DEVMAP),
        "devices_by_key": ("DevMap", MapType.DEVMAP_HASH),
        "cpus": ("CpuMap", MapType.CPUMAP),
        "queues": ("XskMap", MapType.XSKMAP),
        "cgroups": ("CgroupArray", MapType.CGROUP_ARRAY),
        "recent_per_cpu": ("PerCpuHashMap", MapType.LRU_PERCPU_HASH),
        "line": ("Queue", MapType.QUEUE),
        "packets": ("LegacyCgroupStorage", MapType.CGROUP_STORAGE),
        "packets_per_cpu": ("LegacyPerCpuCgroupStorage", MapType.PERCPU_CGROUP_STORAGE),
    }


def returned(obj: Object, program: str) -> int:
    """What a program returns for a packet."""
    value: int = obj.programs[program].test_run(FRAME).return_value
    return value


def test_a_program_jumps_to_the_one_that_was_put_there(targets: Object) -> None:
    jumps: Any = targets.maps["jumps"]
    assert returned(targets, "jump") == 1
    jumps[1] = targets.programs["landed"]
    assert returned(targets, "jump") == 42
    del jumps[1]
    assert returned(targets, "jump") == 1


@pytest.mark.parametrize(
    ("name", "program"), [("devices", "to_device"), ("devices_by_key", "to_device_by_key")]
)
def test_packets_are_redirected_to_devices_by_name_or_index(targets: Object, name: str, program: str) -> None:
    devices: DevMap[int] = targets.map(name, DevMap)
    assert returned(targets, program) == PASS
    devices[1] = "lo"
    assert devices[1] == socket.if_nametoindex("lo")
    assert returned(targets, program) == REDIRECT
    del devices[1]
    assert returned(targets, program) == PASS


def test_packets_are_redirected_to_cpus(targets: Object) -> None:
    cpus: CpuMap[int] = targets.map("cpus", CpuMap)
    assert returned(targets, "to_cpu") == PASS
    cpus[0] = 64
    assert returned(targets, "to_cpu") == REDIRECT
    cpus[0] = 0  # which takes it out
    assert 0 not in cpus
    assert returned(targets, "to_cpu") == PASS


@pytest.mark.needs("af_xdp")
def test_packets_are_redirected_to_af_xdp_sockets(targets: Object) -> None:
    queues = targets.map("queues", XskMap)
    with af_xdp_socket() as xsk:
        queues[1] = xsk
        assert returned(targets, "to_socket") == REDIRECT
        del queues[1]
        assert returned(targets, "to_socket") == PASS


@pytest.mark.needs("cgroup2")
def test_a_program_asks_whether_a_task_is_in_a_cgroup(targets: Object, cgroups: tuple[int, int]) -> None:
    array: Any = targets.maps["cgroups"]
    under = targets.variables["under"]
    for cgroup, expected in zip(cgroups, (0, 1), strict=True):
        array[0] = cgroup
        targets.programs["inside"].test_run(context=bytes(16))
        assert under.value == expected


def test_a_queue_goes_through_a_program(targets: Object) -> None:
    line: Any = targets.maps["line"]
    line.push(7)
    targets.programs["queue_up"].test_run(FRAME)
    assert line.pop() == 8


def test_a_program_writes_its_cpus_value_of_an_lru_hash(targets: Object) -> None:
    recent: PerCpuHashMap[int, int] = targets.map("recent_per_cpu", PerCpuHashMap)
    targets.programs["queue_up"].test_run(FRAME)
    assert sorted(recent[1]) == [0] * (num_possible_cpus() - 1) + [1]


@pytest.mark.needs("cgroup2")
def test_the_storage_of_a_cgroups_program_has_an_element_for_its_cgroup(
    targets: Object, cgroups: tuple[int, int]
) -> None:
    whole = targets.map("packets", LegacyCgroupStorage)
    per_cpu = targets.map("packets_per_cpu", LegacyPerCpuCgroupStorage)
    assert (list(whole), list(per_cpu)) == ([], [])
    root = cgroups[1]
    with attach_cgroup(targets.programs["leaving"], root, attach_type=AttachType.CGROUP_INET_EGRESS):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.sendto(b"x", ("127.0.0.1", 9))
        ((key, packets),) = whole.items()
        assert (key.cgroup_inode_id, key.attach_type) == (os.fstat(root).st_ino, 1)
        assert packets >= 1
        assert sum(per_cpu[key]) >= 1
        whole[key] = 1 << 40
        assert whole[key] >= 1 << 40


@pytest.mark.kernel("6.19", "arrays of instructions")
def test_an_array_of_instructions_keeps_their_numbers() -> None:
    with InsnArray.create(max_entries=2) as instructions:
        instructions[1] = struct.pack("=4I", 7, 0, 0, 0)
        assert instructions[1][:4] == struct.pack("=I", 7)
        assert list(instructions) == [0, 1]
        with pytest.raises(OSError, match="EINVAL"):
            instructions[0] = struct.pack("=4I", 7, 1, 0, 0)  # only the kernel says where it went
