# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""map pop: take an element out, and show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import add_json
from .references import add_reference
from .user_error import UserError
from .values import SYNTAX

if TYPE_CHECKING:
    import argparse

HELP = "take a value out, and show it"
DESCRIPTION = f"""\
Takes the value of a key out of a map in one step, and shows it: from a hash since Linux 5.14. Queues and
stacks have no keys. Without such a key, or from an empty queue, the exit status is 1.
{SYNTAX}"""
EXAMPLES = """
  {prog} map pop counts 42
  {prog} map pop jobs                   a queue
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference(parser, "map")
    parser.add_argument("key", nargs="?", metavar="KEY", help="the key")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from ..maps import Queue
    from .elements import element_key, element_value
    from .output import write_json
    from .references import open_map
    from .values import typed_text

    with open_map(options.map) as map:
        if not hasattr(map, "pop"):
            raise UserError(f"map '{map.name}' is of type {map.type.name}, from which nothing can be popped")
        codec = map._chosen_codecs()[1]
        try:
            if isinstance(map, Queue):
                if options.key is not None:
                    raise UserError(f"map '{map.name}' is of type {map.type.name}, which has no keys")
                found = map.pop()
            else:
                found = map.pop(element_key(map, options.key))
        except IndexError:
            raise UserError(f"map '{map.name}' is empty") from None
        except KeyError:
            raise UserError(f"map '{map.name}' has no key {options.key}") from None
    value = element_value(found, codec)
    if options.json:
        write_json(value)
    else:
        print(typed_text(value))
