# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Tables of programs that the kernel calls: BPF_MAP_TYPE_STRUCT_OPS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import MapType
from ..tracking import TracksLinks
from .map import Map

if TYPE_CHECKING:
    from .._native import Handle
    from ..link import StructOpsLink


class StructOpsMap(TracksLinks, Map):
    """A struct of functions, such as tcp_congestion_ops, that programs implement.

    `attach` registers it with the kernel, and so does `Object.attach` while `autoattach` is on.
    A map of the section ".struct_ops.link" is registered by a link. One of ".struct_ops" is
    registered without, as kernels before 6.4 do it: there `map.flags &= ~MapFlags.LINK` before
    load makes the one into the other.

    Kernel: 5.6; links 6.4.
    """

    _type = MapType.STRUCT_OPS
    _key_size = 4

    def _set_up(self, type: MapType, handle: Handle | None) -> None:
        super()._set_up(type, handle)
        self._links = []

    def attach(self, *, legacy: bool = False) -> StructOpsLink:
        """Registers it with the kernel. The link is tracked: `detach`, `take_link`.

        Args:
            legacy: for a map without `MapFlags.LINK`, which is registered without a link. It
                stays so after the process, if nobody closes it.

        Raises:
            StateError: its object is not loaded.
            And as `link.attach_struct_ops`.

        libbpf: bpf_map__attach_struct_ops, bpf_link_create (6.4).
        """
        from ..link import attach_struct_ops

        self._require_open()
        return self._track(attach_struct_ops(self, legacy=legacy))

    def close(self) -> None:
        """Ends the tracked links and this map's handle. Idempotent.

        What a link that was taken or pinned registered lives on.
        """
        try:
            self._detach_all()
        finally:
            super().close()
