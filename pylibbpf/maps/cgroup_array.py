# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Arrays of cgroups: BPF_MAP_TYPE_CGROUP_ARRAY."""

from __future__ import annotations

from ..enums import MapType
from .array import IndexedMap
from .files import FileMap


class CgroupArray(FileMap[int, int], IndexedMap[int]):
    """Cgroups that programs ask about: `map[index] = fd` of a cgroup v2 directory, `del map[index]`.
    They cannot be read back.

    Kernel: 4.8.
    """

    _type = MapType.CGROUP_ARRAY
    _holds = "directories of cgroup v2, opened"
