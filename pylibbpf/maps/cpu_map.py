# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""CPUs to redirect to: BPF_MAP_TYPE_CPUMAP."""

from __future__ import annotations

from typing import TypeVar

from ..btf.codec import Codec
from ..enums import MapType
from ..system import num_possible_cpus
from .array import INDEX
from .keyvalue import KeyValueMap

V = TypeVar("V")


class CpuMap(KeyValueMap[int, V]):
    """CPUs by number. A value is the length of the CPU's queue, u32, or a struct bpf_cpumap_val that names an
    XDP program for it too: its fd on the way in, its id on the way out. Elements can be missing.

    Kernel: 4.15; programs 5.9.
    """

    _type = MapType.CPUMAP
    _key_size = 4
    _value_size = 4
    _pop_hint = "Look up and then delete."

    @classmethod
    def _default_max_entries(cls) -> int:
        return num_possible_cpus()

    def _element_codecs(self) -> tuple[Codec, Codec]:
        return INDEX, super()._element_codecs()[1]
