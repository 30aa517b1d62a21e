# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""CPUs to redirect to: BPF_MAP_TYPE_CPUMAP."""

from __future__ import annotations

import errno

from ..enums import MapType
from ..system import num_possible_cpus
from .array import SparseArray
from .typevars import V


class CpuMap(SparseArray[V]):
    """CPUs by number. A value is the length of the CPU's queue, u32, or a struct bpf_cpumap_val that names an
    XDP program for it too: its fd on the way in, its id on the way out. Elements can be missing.

    Kernel: 4.15; programs 5.9.
    """

    _type = MapType.CPUMAP
    _number = "a queue length"
    _value_size = 4

    def _hint(self, number: int, flags: int) -> str:
        # kernel/bpf/cpumap.c:cpu_map_update_elem
        if number == errno.EOVERFLOW:
            return "A queue has 16384 places at most."
        if number == errno.ENODEV:
            return "There is no such CPU."
        return super()._hint(number, flags)

    @classmethod
    def _default_max_entries(cls) -> int:
        return num_possible_cpus()
