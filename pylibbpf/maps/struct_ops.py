# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Tables of programs that the kernel calls: BPF_MAP_TYPE_STRUCT_OPS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..enums import LinkType, MapFlags, MapType
from ..errors import BpfError, Error, NotSupportedError
from ..since import LINK_TYPES
from ..tracking import TracksLinks
from .map import Map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._native import Handle
    from ..link import StructOpsLink

# What libbpf prints of the map that ends the load: libbpf.c:bpf_object__create_maps.
_NOT_CREATED = re.compile(r"map '(.*)': failed to create:")


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


def why_no_links() -> str:
    """What to say of a kernel without links of struct_ops maps; "" for one that has them.

    The enumerator tells nothing: it came with 5.19, for what the kernel does within.
    """
    from ..features import has_link_type

    try:
        if has_link_type(LinkType.STRUCT_OPS):
            return ""
    except Error:
        return ""  # nobody can tell
    return f"Links of struct_ops maps came with Linux {LINK_TYPES[LinkType.STRUCT_OPS]}."


def without_links(error: BpfError, maps: Mapping[str, Map]) -> NotSupportedError | None:
    """The error of a load that failed for a map with `MapFlags.LINK`, on a kernel without links of such maps;
    None if that was not it."""
    for message in error.messages:
        found = _NOT_CREATED.match(message)
        map = maps.get(found[1]) if found else None
        if map is None or map.type != MapType.STRUCT_OPS or not map.flags & MapFlags.LINK:
            continue
        if missing := why_no_links():
            return NotSupportedError(
                error.errno or 0, error.operation, error.subject, messages=error.messages,
                hint=f"{missing} Take MapFlags.LINK off the map's flags before load, and attach it with "
                "legacy=True.",
            )  # fmt: skip
    return None
