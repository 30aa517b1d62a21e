# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Stack traces by id: BPF_MAP_TYPE_STACK_TRACE."""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack

from ..enums import MapFlags, MapType
from ..errors import StateError
from . import walk
from .map import Map


class StackTrace(Map):
    """Stack traces that programs took (bpf_get_stackid): `map[id]` is a tuple of addresses, the
    innermost first.

    Ids come from programs. Only programs add traces; `del map[id]` makes room.

    Kernel: 4.6.
    """

    _type = MapType.STACK_TRACE
    _key_size = 4

    def __getitem__(self, id: int) -> tuple[int, ...]:
        """The addresses of a trace.

        Raises:
            KeyError: there is no trace of that id.
            StateError: the map has build ids instead of addresses (STACK_BUILD_ID); `lookup_bytes` has those.
        """
        if self.flags & MapFlags.STACK_BUILD_ID:
            raise StateError(f"{self._label} has build ids and no addresses; lookup_bytes() reads them")
        value = self.lookup_bytes(_key(id))
        if value is None:
            raise KeyError(id)
        addresses: tuple[int, ...] = unpack(f"={len(value) // 8}Q", value)
        return addresses[: addresses.index(0)] if 0 in addresses else addresses

    def __delitem__(self, id: int) -> None:
        """Forgets a trace. KeyError if there is none of that id."""
        if not self.delete_bytes(_key(id)):
            raise KeyError(id)

    def __iter__(self) -> Iterator[int]:
        """The ids of all traces."""
        for key in walk.keys(self):
            yield int(unpack("=I", key)[0])

    def __contains__(self, id: int) -> bool:
        return self.lookup_bytes(_key(id)) is not None


def _key(id: int) -> bytes:
    from .array import INDEX

    return INDEX.encode(id)
