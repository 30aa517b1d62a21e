# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on packets in traffic control, and on netkit devices."""

from __future__ import annotations

from ..enums import AttachType, ProgramType
from .program import Program


class SchedCls(Program):
    """Classifies packets of a qdisc, through netlink.

    Section: tc, classifier. Kernel: 4.1.
    """

    _type = ProgramType.SCHED_CLS
    _sections = ("tc", "classifier")


class Tcx(Program):
    """Sees packets of a device in both directions, attached by link.

    Section: tcx/ingress, tcx/egress, tc/ingress, tc/egress. Kernel: 6.6.
    """

    _type = ProgramType.SCHED_CLS
    _attach_types = (AttachType.TCX_INGRESS, AttachType.TCX_EGRESS)
    _sections = ("tcx/ingress", "tcx/egress", "tc/ingress", "tc/egress")


class Netkit(Program):
    """Sees packets of a netkit device pair.

    Section: netkit/primary, netkit/peer. Kernel: 6.7.
    """

    _type = ProgramType.SCHED_CLS
    _attach_types = (AttachType.NETKIT_PRIMARY, AttachType.NETKIT_PEER)
    _sections = ("netkit/primary", "netkit/peer")


class SchedAct(Program):
    """An action of traffic control, through netlink.

    Section: action. Kernel: 4.1.
    """

    _type = ProgramType.SCHED_ACT
    _sections = ("action",)
