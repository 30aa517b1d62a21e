# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on packets in traffic control, and on netkit devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import AttachType, ProgramType, TcAttachPoint
from .alone import LoadedAlone

if TYPE_CHECKING:
    from ..link import Anchor, NetkitLink, TcFilter, TcxLink


class SchedCls(LoadedAlone):
    """Classifies packets of a qdisc, as a filter that is attached through netlink.

    Section: tc, classifier. Kernel: 4.1. `link.attach_tcx` attaches it without a qdisc (6.6).
    """

    _type = ProgramType.SCHED_CLS
    _sections = ("tc", "classifier")

    def attach(
        self,
        interface: str | int,
        *,
        attach_point: TcAttachPoint = TcAttachPoint.INGRESS,
        parent: int = 0,
        handle: int = 0,
        priority: int = 0,
        legacy: bool = False,
    ) -> TcFilter:
        """Attaches it as a filter of a device's qdisc. The link is tracked: `detach`, `take_link`.

        Args:
            interface: the device, by name or index, of the network namespace of this thread.
            attach_point: INGRESS or EGRESS, of the clsact qdisc, which is added; or CUSTOM.
            parent: the qdisc or class for CUSTOM.
            handle: the filter's handle, by default one that the kernel chooses.
            priority: its order among the filters, the lowest first.
            legacy: must be True, since a filter outlives the process if nobody closes it.

        Raises:
            StateError: it is not loaded.
            And as `link.attach_tc`.

        libbpf: bpf_tc_hook_create, bpf_tc_attach.
        """
        from ..link import attach_tc

        self._require_open()
        link = attach_tc(
            self, interface, attach_point=attach_point, parent=parent, handle=handle, priority=priority,
            legacy=legacy,
        )  # fmt: skip
        return self._track(link)


class Tcx(LoadedAlone):
    """Sees packets of a device in both directions, attached by link.

    Section: tcx/ingress, tcx/egress, tc/ingress, tc/egress. Kernel: 6.6.
    """

    _type = ProgramType.SCHED_CLS
    _attach_types = (AttachType.TCX_INGRESS, AttachType.TCX_EGRESS)
    _sections = ("tcx/ingress", "tcx/egress", "tc/ingress", "tc/egress")

    def attach(
        self,
        interface: str | int,
        *,
        attach_type: AttachType | None = None,
        anchor: Anchor | None = None,
        expected_revision: int = 0,
    ) -> TcxLink:
        """Attaches it to a device. The link is tracked: `detach`, `take_link`.

        Args:
            interface: the device, by name or index, of the network namespace of this thread.
            attach_type: TCX_INGRESS or TCX_EGRESS; by default what the section says.
            anchor: where among the programs that are there; by default behind them.
            expected_revision: fail if the hook has changed since `link.query` told this
                revision; 0 for any.

        Raises:
            StateError: it is not loaded.
            And as `link.attach_tcx`.

        libbpf: bpf_link_create (6.6).
        """
        from ..link import attach_tcx

        self._require_open()
        link = attach_tcx(
            self, interface, attach_type=attach_type, anchor=anchor, expected_revision=expected_revision
        )
        return self._track(link)


class Netkit(LoadedAlone):
    """Sees packets of a netkit device pair.

    Section: netkit/primary, netkit/peer. Kernel: 6.7.
    """

    _type = ProgramType.SCHED_CLS
    _attach_types = (AttachType.NETKIT_PRIMARY, AttachType.NETKIT_PEER)
    _sections = ("netkit/primary", "netkit/peer")

    def attach(
        self,
        interface: str | int,
        *,
        attach_type: AttachType | None = None,
        anchor: Anchor | None = None,
        expected_revision: int = 0,
    ) -> NetkitLink:
        """Attaches it to a netkit device. The link is tracked: `detach`, `take_link`.

        Args:
            interface: the primary device of the pair, by name or index.
            attach_type: NETKIT_PRIMARY or NETKIT_PEER; by default what the section says.
            anchor: where among the programs that are there; by default behind them.
            expected_revision: fail if the hook has changed since `link.query` told this
                revision; 0 for any.

        Raises:
            StateError: it is not loaded.
            And as `link.attach_netkit`.

        libbpf: bpf_link_create (6.7).
        """
        from ..link import attach_netkit

        self._require_open()
        link = attach_netkit(
            self, interface, attach_type=attach_type, anchor=anchor, expected_revision=expected_revision
        )
        return self._track(link)


class SchedAct(LoadedAlone):
    """An action of traffic control, which `tc action add action bpf pinned PATH` takes from its pin.

    Section: action. Kernel: 4.1.
    """

    _type = ProgramType.SCHED_ACT
    _sections = ("action",)
