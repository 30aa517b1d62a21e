# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Checks of what users give, each with a message that names it."""

from __future__ import annotations

from typing import Any

from ..btf.codec import fitting_int
from ..enums import MapType


def unsigned(value: Any, what: str, bits: int = 32) -> int:
    """A number of so many bits. OverflowError or TypeError for anything else."""
    return fitting_int(what, value, bits, False, "")


def on_or_off(value: Any, what: str) -> bool:
    """A bool. TypeError for anything but True, False, 1 and 0: "no" would be true."""
    if value is True or value is False or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{what} is True or False, not {value!r}")


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


def unknown_attribute(cls: type[Any], name: str) -> str:
    """The message for an attribute that a class does not have, with settable ones that look like it."""
    from difflib import get_close_matches

    settable = [known for known in dir(cls) if getattr(getattr(cls, known), "fset", None)]
    close = get_close_matches(name, settable, n=2)
    offered = f"; did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
    return f"{cls.__name__} has no {name!r} to set{offered}"
