# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the lists of programs, maps and links have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from .user_error import UserError

if TYPE_CHECKING:
    import argparse

    from ..enums import _KernelEnum

    E = TypeVar("E", bound=_KernelEnum)

T = TypeVar("T")


def narrowed(infos: Iterable[T], options: argparse.Namespace, types: type[_KernelEnum]) -> list[T]:
    """Those of the `--type` and `--name` that the user wants."""
    wanted = None if options.type is None else member(types, options.type)
    name = getattr(options, "name", None)

    def fits(info: Any) -> bool:
        return (wanted is None or info.type == wanted) and (name is None or info.name == name[:15])

    return [info for info in infos if fits(info)]


def member(types: type[E], name: str) -> E:
    """A member of an enumeration by its name, in any case."""
    from ..errors import NameNotFoundError

    try:
        return types[name.upper()]
    except KeyError:
        known = [each for each in types.__members__ if each != "UNSPEC"]
        missing = NameNotFoundError("type", name.upper(), known)
        if missing.matches:
            raise UserError(str(missing)) from None
        raise UserError(f"no type is called '{name.upper()}'; there are {', '.join(known)}") from None
