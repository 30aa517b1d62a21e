# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What was wrong with the maps of an object whose load has failed."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from ..errors import BpfError, Error, MapTypeError, NotSupportedError
from . import creation
from .map import Map

if TYPE_CHECKING:
    from ..object import Object

# libbpf.c:bpf_object__reuse_map and bpf_object__create_maps.
_MISMATCH = re.compile(r"couldn't reuse pinned map at '(.*)': parameter mismatch")
_NOT_CREATED = re.compile(r"map '(.*)': failed to create: ")


def explain(obj: Object, error: BpfError) -> Error:
    """The error to raise for a failed load: itself, unless a map was the reason.

    A pin whose map is not what the object asks for becomes a `MapTypeError` with every difference; a
    type of map that the kernel lacks, a `NotSupportedError` with the version that has it.

    Args:
        obj: the object.
        error: what its load failed with; its messages tell which map.
    """
    for message in error.messages:
        if found := _MISMATCH.search(message):
            for map in obj.maps.values():
                if map.pin_path == found[1] and (reason := _pin_difference(map, found[1])):
                    reason.__cause__ = error
                    return reason
        elif (found := _NOT_CREATED.search(message)) and error.errno == errno.EINVAL:
            named = obj.maps.get(found[1])
            if named is not None and creation.is_missing(named.type):
                missing = NotSupportedError(
                    errno.EOPNOTSUPP,
                    error.operation,
                    error.subject,
                    messages=error.messages,
                    hint=f"Map '{named.name}': {creation.since(named.type)}",
                )
                missing.__cause__ = error
                return missing
    return error


def _pin_difference(map: Map, path: str) -> MapTypeError | None:
    try:
        with Map.from_pin(path) as pinned:
            differences = map._differences(pinned._known_layout())
    except (Error, TypeError):
        return None  # it has gone, or changed, since
    if not differences:
        return None
    return MapTypeError(
        f"{map._label} cannot reuse the map that is pinned at '{path}': {'; '.join(differences)}"
    )
