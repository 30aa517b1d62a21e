# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on packets as they come off a network device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import AttachType, ProgramType, XdpMode
from .alone import LoadedAlone

if TYPE_CHECKING:
    from ..link import XdpLink


class Xdp(LoadedAlone):
    """Sees packets before the network stack, and passes, drops, redirects or sends them back.

    Section: xdp, xdp.frags. Kernel: 4.8; links from 5.9.
    """

    _type = ProgramType.XDP
    _attach_types = (AttachType.XDP, AttachType.XDP_DEVMAP, AttachType.XDP_CPUMAP)
    _sections = ("xdp", "xdp.frags", "xdp/devmap", "xdp.frags/devmap", "xdp/cpumap", "xdp.frags/cpumap")

    def attach(
        self, interface: str | int, *, mode: XdpMode = XdpMode.DEFAULT, legacy: bool = False
    ) -> XdpLink:
        """Attaches it to a device. The link is tracked: `detach`, `take_link`.

        Args:
            interface: the device, by name or index, of the network namespace of this thread.
            mode: which part of the kernel runs it; by default the driver if it can.
            legacy: attach without a link, through netlink, for kernels before 5.9. Such an
                attachment outlives the process if nobody closes it.

        Raises:
            StateError: it is not loaded.
            And as `link.attach_xdp`.

        libbpf: bpf_link_create (5.9), bpf_xdp_attach.
        """
        from ..link import attach_xdp

        self._require_open()
        return self._track(attach_xdp(self, interface, mode=mode, legacy=legacy))
