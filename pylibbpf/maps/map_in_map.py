# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Maps of maps: BPF_MAP_TYPE_ARRAY_OF_MAPS and BPF_MAP_TYPE_HASH_OF_MAPS."""

from __future__ import annotations

import fcntl
import os
from typing import Any

from .._native import Handle, lib
from ..enums import MapType
from ..errors import NotFoundError, StateError
from .arguments import require_map
from .array import IndexedMap
from .files import IdMap
from .map import Map
from .typevars import K

_TRIES = 10


class _MapOfMaps(IdMap[K, Map]):
    """What both kinds have in common: fds of maps go in, and the ids that come out are opened."""

    _holds = "maps like the inner map: of its type, sizes and flags, and an array of its max_entries too"

    def set_inner_map(self, map: Map) -> None:
        """Says what the maps inside will be like, before load: of the type and sizes of this one.

        In place of what the object's definition says with `__array(values, ...)`, which cannot be
        changed: libbpf follows a NULL pointer when it is (libbpf.c:map_is_created).

        Raises:
            StateError: the object is loaded already, or this was called before.

        libbpf: bpf_map__set_inner_map_fd.
        """
        if self._kept is not None:
            raise StateError(f"the inner map of {self._label} was set before")
        require_map(map, "an inner map")
        with map._fd_handle() as fd:
            # libbpf remembers the number, and does not own the fd.
            kept = Handle(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3), os.close, what="inner map")
        try:
            self._configure(lib.bpf_map__set_inner_map_fd, kept._value, "inner map")
        except BaseException:
            kept.close()
            raise
        self._kept = kept

    def __getitem__(self, key: K) -> Map:
        """The map of a key, opened by its id: the caller closes it. Needs CAP_SYS_ADMIN.

        Raises:
            KeyError: there is no map of that key.
        """
        for _ in range(_TRIES):
            id: Any = super().__getitem__(key)  # KeyError if there is none
            try:
                return Map.from_id(id)
            except NotFoundError:
                continue  # it was replaced or deleted between the two calls, and nobody else had it
        raise KeyError(key)


class ArrayOfMaps(_MapOfMaps[int], IndexedMap[Map]):
    """Maps by index: `map[index] = other`, `del map[index]`; `map[index]` opens the map that is there,
    and `ids()` tells which there are.

    Kernel: 4.12.
    """

    _type = MapType.ARRAY_OF_MAPS


class HashOfMaps(_MapOfMaps[K]):
    """Maps by key: `map[key] = other`, `del map[key]`; `map[key]` opens the map that is there,
    and `ids()` tells which there are.

    Kernel: 4.12.
    """

    _type = MapType.HASH_OF_MAPS
