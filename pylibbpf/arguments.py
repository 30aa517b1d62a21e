# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Checks of what users set and give, each with a message that names it."""

from __future__ import annotations

from .suggestions import close_matches, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def unsigned(value: Any, what: str, bits: int = 32) -> int:
    """A number of so many bits. OverflowError or TypeError for anything else."""
    from .btf.codec import fitting_int

    return fitting_int(what, value, bits, False, "")


def on_or_off(value: Any, what: str) -> bool:
    """A bool. TypeError for anything but True, False, 1 and 0: "no" would be true."""
    if value is True or value is False or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{what} is True or False, not {value!r}")


def unknown_attribute(cls: type[Any], name: str) -> str:
    """The message for an attribute that a class does not have, with settable ones that look like it."""
    settable = [known for known in dir(cls) if getattr(getattr(cls, known), "fset", None)]
    close = [repr(match) for match in close_matches(name, settable, 2)]
    return f"{cls.__name__} has no {name!r} to set{did_you_mean(close)}"
