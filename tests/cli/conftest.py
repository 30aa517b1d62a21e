# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the tests of the command line look at: an object that is loaded and attached in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from tests.link.places import cgroup_file_system, own_cgroup

__all__ = ["cgroup_file_system", "own_cgroup"]


@pytest.fixture
def loaded(bpf_object: Callable[[str], Path]) -> Iterator[bpf.Object]:
    """tests/bpf/cli.bpf.o in the kernel, for the calls of this process."""
    with bpf.Object.open(bpf_object("cli")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        obj.load()
        yield obj


@pytest.fixture
def attached(loaded: bpf.Object) -> bpf.Object:
    """The same, and attached."""
    loaded.attach()
    return loaded
