# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Checks of the maps and types of maps that users give."""

from __future__ import annotations

from typing import Any

from ..enums import MapType


def map_type(value: Any) -> MapType:
    """A type of map. TypeError for what is no number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"the type of a map is a MapType, such as MapType.HASH, not {value!r}")
    return MapType(value)


def require_map(value: Any, what: str) -> None:
    """TypeError for what is no map."""
    from .map import Map

    if not isinstance(value, Map):
        raise TypeError(f"{what} is a map, not {type(value).__name__}: Map.from_pin() and its like open one")
