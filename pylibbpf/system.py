# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Facts and limits of the machine that BPF programs depend on."""

from __future__ import annotations

from ._native import check, lib


def num_possible_cpus() -> int:
    """How many CPUs the kernel could ever bring up: the number of values a per-CPU map has for a key.

    libbpf: libbpf_num_possible_cpus.
    """
    return check(lib.libbpf_num_possible_cpus(), "count the possible CPUs")


def set_memlock_limit(size: int) -> None:
    """How much memory libbpf lets this process lock before it makes its first map or program.

    Matters before 5.11, where maps count against RLIMIT_MEMLOCK; libbpf lifts that limit
    by itself unless this was called.

    Args:
        size: bytes; 0 leaves the process's limit alone.

    Raises:
        BpfError: maps or programs were made before (EBUSY).

    libbpf: libbpf_set_memlock_rlim.
    """
    check(lib.libbpf_set_memlock_rlim(size), "set the memlock limit")
