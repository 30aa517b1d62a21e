# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""map set: write an element, typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .references import add_reference
from .user_error import UserError
from .values import SYNTAX

if TYPE_CHECKING:
    import argparse

    from ..maps import Map

HELP = "write the value of a key"
DESCRIPTION = f"""\
Writes the value of one key, typed by BTF. A queue, stack or bloom filter has no keys: it takes the
value alone. A per-CPU map takes one value for all CPUs, or a list with one for each.
{SYNTAX}"""
EXAMPLES = """
  {prog} map set counts 42 7
  {prog} map set --new counts 42 7      fails if the key is there
  {prog} map set allowed '{{"address": 16777343, "port": 80}}' true
  {prog} map set jobs 9                 a queue
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference(parser, "map")
    parser.add_argument("key", metavar="KEY", help="the key")
    parser.add_argument("value", nargs="?", metavar="VALUE", help="the value")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--new", action="store_true", help="fail if the key is there already")
    only.add_argument("--existing", action="store_true", help="fail if the key is not there")


def run(options: argparse.Namespace) -> None:
    from ..enums import UpdateFlags
    from .elements import element_key
    from .references import open_map
    from .values import parse

    flags = UpdateFlags.NO_EXIST if options.new else UpdateFlags.EXIST if options.existing else UpdateFlags(0)
    with open_map(options.map) as map:
        codec = map._chosen_codecs()[1]
        if map.key_size == 0:
            if options.value is not None:
                raise UserError(
                    f"map '{map.name}' is of type {map.type.name}, which has no keys: give the value alone"
                )
            _add(map, parse(options.key, codec, "value"))
            return
        if options.value is None:
            raise UserError(f"map '{map.name}' needs a key and a value")
        if hasattr(map, "ids") or not hasattr(map, "put"):
            raise UserError(
                f"map '{map.name}' is of type {map.type.name}, whose values are no data that could be written"
            )
        key = element_key(map, options.key)
        try:
            map.put(key, _values(map, options.value, codec), flags)
        except KeyError:
            raise UserError(f"map '{map.name}' has no key {options.key}") from None


def _add(map: Map, value: Any) -> None:
    add = getattr(map, "push", None) or getattr(map, "add", None)
    if add is None:
        raise UserError(f"map '{map.name}' is of type {map.type.name}, which cannot be written")
    add(value)


def _values(map: Map, text: str, codec: Any) -> Any:
    """The value; for a per-CPU map a list with one for each CPU."""
    import json

    from ..maps.percpu import PerCpuMap
    from ..system import num_possible_cpus
    from .values import parse

    if not isinstance(map, PerCpuMap):
        return parse(text, codec, "value")
    count = num_possible_cpus()
    if not text.startswith("[") or hasattr(codec, "length"):
        return [parse(text, codec, "value")] * count
    try:
        items = json.loads(text)
    except ValueError:
        raise UserError(f"'{text}' is no JSON") from None
    if len(items) != count:
        raise UserError(
            f"a list for map '{map.name}' takes {count} values, one for each CPU, not {len(items)}"
        )
    return [parse(json.dumps(item), codec, "value") for item in items]
