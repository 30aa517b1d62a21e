# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""map delete: delete an element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .references import add_reference
from .user_error import UserError
from .values import SYNTAX

if TYPE_CHECKING:
    import argparse

HELP = "delete a key"
DESCRIPTION = f"""\
Deletes a key of a map. Without such a key the exit status is 1.
{SYNTAX}"""
EXAMPLES = """
  {prog} map delete counts 42
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference(parser, "map")
    parser.add_argument("key", metavar="KEY", help="the key")


def run(options: argparse.Namespace) -> None:
    from .elements import element_key
    from .references import open_map

    with open_map(options.map) as map:
        if not hasattr(map, "delete"):
            raise UserError(f"map '{map.name}' is of type {map.type.name}, from which nothing can be deleted")
        try:
            map.delete(element_key(map, options.key))
        except KeyError:
            raise UserError(f"map '{map.name}' has no key {options.key}") from None
