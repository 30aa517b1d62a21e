# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on a network namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import AttachType, NetfilterFamily, NetfilterHook, ProgramType
from .alone import LoadedAlone

if TYPE_CHECKING:
    from .._native import StrPath
    from ..fds import HasFileno
    from ..link import NetfilterLink, NetNsLink


class NetNsProgram(LoadedAlone):
    """What the programs on a network namespace have in common."""

    def attach(self, netns: StrPath | int | HasFileno) -> NetNsLink:
        """Attaches it to a network namespace. The link is tracked: `detach`, `take_link`.

        Args:
            netns: the namespace: a path, "/proc/self/ns/net" or "/run/netns/blue", or an fd.

        Raises:
            StateError: it is not loaded.
            And as `link.attach_netns`.

        libbpf: bpf_link_create (flow dissector 5.7, sk_lookup 5.9).
        """
        from ..link import attach_netns

        return self._track(attach_netns(self, netns))


class FlowDissector(NetNsProgram):
    """Dissects packets in place of the kernel.

    Section: flow_dissector. Kernel: 4.20; links from 5.7.
    """

    _type = ProgramType.FLOW_DISSECTOR
    _attach_types = (AttachType.FLOW_DISSECTOR,)
    _sections = ("flow_dissector",)


class Netfilter(LoadedAlone):
    """Accepts or drops packets on a netfilter hook.

    Section: netfilter. Kernel: 6.4.
    """

    _type = ProgramType.NETFILTER
    _attach_types = (AttachType.NETFILTER,)
    _sections = ("netfilter",)

    def attach(
        self,
        *,
        family: NetfilterFamily,
        hook: NetfilterHook,
        priority: int = 0,
        defragment: bool = False,
    ) -> NetfilterLink:
        """Attaches it to a netfilter hook of the network namespace of this thread. The link is tracked.

        Args:
            family: IPV4 or IPV6.
            hook: where on the way of a packet.
            priority: the order among the programs and tables of the hook, the lowest first.
            defragment: put fragments together first (6.6).

        Raises:
            StateError: it is not loaded.
            And as `link.attach_netfilter`.

        libbpf: bpf_link_create (6.4).
        """
        from ..link import attach_netfilter

        self._require_open()
        link = attach_netfilter(self, family=family, hook=hook, priority=priority, defragment=defragment)
        return self._track(link)
