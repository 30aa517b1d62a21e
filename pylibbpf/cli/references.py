# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How users name programs, maps and links: by id, by name, or by the path of a pin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from .user_error import UserError

if TYPE_CHECKING:
    import argparse

    from ..link import Link
    from ..maps import Map
    from ..programs import Program

T = TypeVar("T")

HELP = "its id, its name, or the path of its pin"
# The kernel keeps so many characters of a name (BPF_OBJ_NAME_LEN less the NUL).
_NAME_LENGTH = 15


def add_reference(parser: argparse.ArgumentParser, name: str, what: str = HELP, **options: Any) -> None:
    """The argument that names an object of the kernel."""
    parser.add_argument(name, metavar=name.upper(), help=what, **options)


def open_program(reference: str) -> Program:
    """A loaded program."""
    from .. import kernel
    from ..programs import Program

    if "/" in reference:
        return _of_pin(Program.from_pin, reference)
    return Program.from_id(_id(reference, "program", kernel.programs))


def open_map(reference: str) -> Map:
    """A map."""
    from .. import kernel
    from ..maps import Map

    if "/" in reference:
        return _of_pin(Map.from_pin, reference)
    return Map.from_id(_id(reference, "map", kernel.maps))


def open_link(reference: str) -> Link:
    """A link, which has no name: by id or pin."""
    from ..link import from_id, load_pinned

    if "/" in reference:
        return _of_pin(load_pinned, reference)
    if not reference.isdecimal():
        raise UserError(f"a link is named by its id or the path of its pin, not '{reference}'")
    return from_id(int(reference))


def _of_pin(open_pin: Callable[[str], T], path: str) -> T:
    """What is pinned at a path. UserError if that is of another kind."""
    try:
        return open_pin(path)
    except TypeError as error:
        raise UserError(str(error)) from None


def _id(reference: str, kind: str, list_all: Any) -> int:
    if reference.isdecimal():
        return int(reference)
    infos: Iterable[Any] = list(list_all())
    found = [info for info in infos if info.name and info.name == reference[:_NAME_LENGTH]]
    if not found:
        from ..errors import NameNotFoundError

        raise NameNotFoundError(kind, reference, sorted({info.name for info in infos if info.name}))
    if len(found) > 1:
        ids = ", ".join(str(info.id) for info in found)
        raise UserError(f"{len(found)} {kind}s are called '{reference}': name one by its id, of {ids}")
    return int(found[0].id)
