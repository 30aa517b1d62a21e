# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Network devices to redirect to: BPF_MAP_TYPE_DEVMAP and BPF_MAP_TYPE_DEVMAP_HASH."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

from ..enums import MapType
from ..errors import from_errno
from . import walk
from .array import SparseArray
from .typevars import V


class DevMap(SparseArray[V]):
    """Network devices by number. A value is an ifindex, u32, or a struct bpf_devmap_val that names an XDP
    program for the device too: its fd on the way in, its id on the way out.

    DEVMAP is an array of which elements can be missing, DEVMAP_HASH a hash table.

    Kernel: 4.14, hash 5.4; programs 5.8.
    """

    _type = MapType.DEVMAP
    _number = "an ifindex"
    _value_size = 4

    def put(self, key: int, value: V | str, flags: int = 0) -> None:
        """Puts a device at a number. As for other maps; the value can also be the interface's name.

        Raises:
            BpfError: there is no such device in this network namespace.

        libbpf: bpf_map_update_elem.
        """
        super().put(key, self._index(value) if isinstance(value, str) else value, flags)

    __setitem__ = put

    def _index(self, name: str) -> Any:
        """The index of the interface of a name."""
        import socket

        try:
            return socket.if_nametoindex(name)
        except OSError as error:
            hint = f"There is no interface '{name}' in this network namespace."
            raise from_errno(error.errno or 0, "update", self._label, hint=hint) from error

    def _hint(self, number: int, flags: int) -> str:
        if number == errno.EINVAL and not flags:
            return "A value begins with the index of a network device of this network namespace."
        return super()._hint(number, flags)

    def _keys_one_by_one(self) -> Iterator[bytes]:
        return walk.keys(self) if self.type == MapType.DEVMAP_HASH else super()._keys_one_by_one()
