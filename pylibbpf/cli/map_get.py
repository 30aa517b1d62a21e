# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""map get: the value of one key, typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .parser import add_json
from .references import add_reference
from .user_error import UserError
from .values import SYNTAX

if TYPE_CHECKING:
    import argparse

    from ..maps import Map

HELP = "show the value of a key"
DESCRIPTION = f"""\
Shows the value of one key. A queue or stack has no keys, and shows the value that comes next; a map
of global data takes the name of a variable. Without such a key the exit status is 1.
{SYNTAX}"""
EXAMPLES = """
  {prog} map get counts 42
  {prog} map get flows '{{"address": 16777343, "port": 80}}' --json
  {prog} map get tool.bss total         a global variable
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference(parser, "map")
    parser.add_argument("key", nargs="?", metavar="KEY", help="the key")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from .output import write_json
    from .references import open_map
    from .values import typed_text

    with open_map(options.map) as map:
        value = _value(map, options.key)
    if options.json:
        write_json(value)
    else:
        print(typed_text(value))


def _value(map: Map, text: str | None) -> Any:
    from ..errors import NameNotFoundError
    from .elements import element_key, element_value, global_variables

    codec = map._chosen_codecs()[1]
    if hasattr(map, "peek"):
        if text is not None:
            raise UserError(f"map '{map.name}' is of type {map.type.name}, which has no keys")
        try:
            return element_value(map.peek(), codec)
        except IndexError:
            raise UserError(f"map '{map.name}' is empty") from None
    variables = global_variables(map)
    if variables is not None and text is not None:
        if text not in variables:
            raise NameNotFoundError("variable", text, variables)
        return variables[text]
    key = element_key(map, text)
    ids = map.ids() if hasattr(map, "ids") else None
    if not hasattr(map, "lookup"):
        raise UserError(f"map '{map.name}' is of type {map.type.name}, whose elements cannot be looked up")
    found = ids.get(key) if ids is not None else map.lookup(key)
    if found is None:
        raise UserError(f"map '{map.name}' has no key {text}")
    return found if ids is not None else element_value(found, codec)
