# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""map list: every map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import add_json

if TYPE_CHECKING:
    import argparse

HELP = "list the maps"
DESCRIPTION = "Lists every map. Needs CAP_SYS_ADMIN."
EXAMPLES = """
  {prog} map list
  {prog} map list --type ringbuf
  {prog} map list --holders             with the processes that hold them
  {prog} map list --json | jq 'map(.memlock) | add'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", help="only maps of a type, such as HASH or ringbuf")
    parser.add_argument("--name", help="only maps of a name")
    parser.add_argument("--holders", action="store_true", help="also tell which processes hold them open")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from .. import kernel
    from ..enums import MapType
    from .holding import holder_names, with_holders
    from .listing import narrowed
    from .output import bytes_size, plain, table, write_json

    maps = narrowed(kernel.maps(), options, MapType)
    holders = kernel.holders().maps if options.holders else {}
    if options.json:
        write_json([with_holders(plain(info), holders, options.holders) for info in maps])
        return
    headers = ["ID", "TYPE", "NAME", "KEY", "VALUE", "ENTRIES", "MEMORY", "FLAGS"]
    rows = [
        [
            *(info.id, info.type, info.name, info.key_size, info.value_size, info.max_entries),
            *(bytes_size(info.memlock), "|".join(plain(info.flags))),
            *([holder_names(holders, info.id)] if options.holders else []),
        ]
        for info in maps
    ]
    table([*headers, "HELD BY"] if options.holders else headers, rows)
