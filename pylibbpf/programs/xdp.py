# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on packets as they come off a network device."""

from __future__ import annotations

from ..enums import AttachType, ProgramType
from .program import Program


class Xdp(Program):
    """Sees packets before the network stack, and passes, drops, redirects or sends them back.

    Section: xdp, xdp.frags. Kernel: 4.8; links from 5.9.
    """

    _type = ProgramType.XDP
    _attach_types = (AttachType.XDP, AttachType.XDP_DEVMAP, AttachType.XDP_CPUMAP)
    _sections = ("xdp", "xdp.frags", "xdp/devmap", "xdp.frags/devmap", "xdp/cpumap", "xdp.frags/cpumap")
