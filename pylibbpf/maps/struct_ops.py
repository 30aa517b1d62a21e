# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Tables of programs that the kernel calls: BPF_MAP_TYPE_STRUCT_OPS."""

from __future__ import annotations

from ..enums import MapType
from .map import Map


class StructOpsMap(Map):
    """A struct of functions, such as tcp_congestion_ops, that programs implement. `link.attach_struct_ops`
    registers it, and so does `Object.attach` while `autoattach` is on.

    Kernel: 5.6; links 6.4.
    """

    _type = MapType.STRUCT_OPS
    _key_size = 4
