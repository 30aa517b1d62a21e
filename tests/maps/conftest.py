# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""tests/bpf/maps.bpf.o opened and loaded, and maps typed by the kernel's BTF."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pylibbpf import BpfError, Btf, Object
from pylibbpf.maps import ArrayMap, HashMap
from tests import requirements
from tests.link.places import new_cgroup

T = TypeVar("T")

# What not every kernel of the matrix can create.
NEWER = ("task_values", "socket_values", "inode_values", "cgroup_values", "probably")


@requirements.requirement(
    "nolock_allocation",
    "memory for local storage and arenas, which newer kernels allocate with cmpxchg16b only (kmalloc_nolock)",
    found="5.10, 6.1, 6.12; 7.x where the CPU has cx16, which our emulated one lacks",
)
def nolock_allocation() -> bool:
    flags = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")]
    return not flags or "cx16" in flags[0].split() or b"kmalloc_nolock" not in requirements.btf()


@requirements.requirement("seccomp", "seccomp (CONFIG_SECCOMP)", found="every kernel of the matrix")
def seccomp() -> bool:
    return any(line.startswith("Seccomp:") for line in Path("/proc/self/status").read_text().splitlines())


@pytest.fixture
def opened(bpf_object: Callable[[str], Path]) -> Iterator[Object]:
    """The object, before load."""
    with Object.open(bpf_object("maps")) as obj:
        for name in NEWER:
            obj.maps[name].autocreate = False
        yield obj


@pytest.fixture
def loaded(opened: Object) -> Object:
    """The object, loaded. `run(loaded)` runs its program."""
    opened.load()
    return opened


@pytest.fixture(scope="session")
def vmlinux() -> Iterator[Btf]:
    with Btf.vmlinux() as btf:
        yield btf


@pytest.fixture
def numbers(vmlinux: Btf) -> Iterator[HashMap[int, int]]:
    """An empty hash of u32 to u64 with room for 1000."""
    with HashMap.create(btf=vmlinux, key_type="u32", value_type="u64", max_entries=1000) as map:
        yield map


@pytest.fixture
def cells(vmlinux: Btf) -> Iterator[ArrayMap[int]]:
    """An array of ten s16."""
    with ArrayMap.create(btf=vmlinux, value_type="s16", max_entries=10) as map:
        yield map


@pytest.fixture
def cgroups(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Fds of two cgroups: the root and one below."""
    import subprocess

    subprocess.run(["mount", "-t", "cgroup2", "none", str(tmp_path)], check=True)
    below = new_cgroup(tmp_path)
    root, other = os.open(tmp_path, os.O_RDONLY), os.open(below, os.O_RDONLY)
    yield other, root
    os.close(root)
    os.close(other)
    below.rmdir()
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def despite_timeouts(step: Callable[[], T]) -> T:
    """Takes a step, again if the kernel did not get a lock for it.

    Since Linux 6.15 a hash gives up (ETIMEDOUT) when another CPU has the lock of a bucket for 250 ms
    (kernel/bpf/rqspinlock.c): that of a virtual machine may stand still so long.
    """
    while True:
        try:
            return step()
        except BpfError as error:
            if error.errno != errno.ETIMEDOUT:
                raise


def run(obj: Object) -> Any:
    """Runs the object's program once."""
    return obj.programs["count"].test_run(bytes(64))
