# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Where instructions of a program went: BPF_MAP_TYPE_INSN_ARRAY."""

from __future__ import annotations

from ..enums import MapType
from .array import ArrayMap


class InsnArray(ArrayMap[bytes]):
    """Instructions of a program: indirect jumps go through it, and after load it says where each one went.

    A value is a struct bpf_insn_array_value. It must be frozen before the program is loaded.

    Kernel: 6.19.
    """

    _type = MapType.INSN_ARRAY
    _value_size = 16
    _batches = False
