# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Storage of a cgroup's programs: BPF_MAP_TYPE_CGROUP_STORAGE, which CGRP_STORAGE replaces."""

from __future__ import annotations

from ..enums import MapType
from .keyvalue import KeyValueMap
from .percpu import PerCpuMap
from .typevars import K, V


class LegacyCgroupStorage(KeyValueMap[K, V]):
    """A value for each cgroup that the program is attached to. The kernel makes and deletes the elements.

    The key is a struct bpf_cgroup_storage_key, or the cgroup's id as u64. Deprecated: see `CgroupStorage`.

    Kernel: 4.19.
    """

    _type = MapType.CGROUP_STORAGE
    _pop_hint = "The kernel makes and deletes the elements."

    @classmethod
    def _default_max_entries(cls) -> int:
        return 0


class LegacyPerCpuCgroupStorage(PerCpuMap[K, V], LegacyCgroupStorage[K, list[V]]):
    """A list with a value per CPU for each cgroup that the program is attached to. Deprecated.

    Kernel: 4.20.
    """

    _type = MapType.PERCPU_CGROUP_STORAGE
