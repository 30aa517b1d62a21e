# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on a network namespace."""

from __future__ import annotations

from ..enums import AttachType, ProgramType
from .program import Program


class FlowDissector(Program):
    """Dissects packets in place of the kernel.

    Section: flow_dissector. Kernel: 4.20; links from 5.7.
    """

    _type = ProgramType.FLOW_DISSECTOR
    _attach_types = (AttachType.FLOW_DISSECTOR,)
    _sections = ("flow_dissector",)


class Netfilter(Program):
    """Accepts or drops packets on a netfilter hook.

    Section: netfilter. Kernel: 6.4.
    """

    _type = ProgramType.NETFILTER
    _attach_types = (AttachType.NETFILTER,)
    _sections = ("netfilter",)
