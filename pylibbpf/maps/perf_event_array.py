# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Perf buffers and counters by CPU: BPF_MAP_TYPE_PERF_EVENT_ARRAY."""

from __future__ import annotations

from ..enums import MapType
from ..system import num_possible_cpus
from .array import IndexedMap
from .files import FileMap


class PerfEventArray(FileMap[int, int], IndexedMap[int]):
    """Perf events by index, usually one per CPU: `map[index] = fd`, `del map[index]`. They cannot
    be read back.

    `PerfBuffer` fills it by itself.

    Kernel: 4.3.
    """

    _type = MapType.PERF_EVENT_ARRAY
    _holds = "perf events, as perf_event_open gives them"

    @classmethod
    def _default_max_entries(cls) -> int:
        return num_possible_cpus()
