# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""map dump: all elements of a map, typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import add_json
from .references import add_reference

if TYPE_CHECKING:
    import argparse

HELP = "write all elements"
DESCRIPTION = """\
Writes all elements of a map, an element on each line, typed by BTF; without BTF as hexadecimal
digits. Values of per-CPU maps are lists. Of maps that hold global data the variables by their
names; of maps that hold programs, maps or sockets their ids or cookies.
"""
EXAMPLES = """
  {prog} map dump counts
  {prog} map dump 17 --json | jq '.[] | select(.value.bytes > 1000)'
  {prog} map dump tool.bss              global variables
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference(parser, "map")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from .elements import elements
    from .output import write_json
    from .references import open_map
    from .values import typed_text

    with open_map(options.map) as map:
        if options.json:
            write_json([{"key": key, "value": value} for key, value in elements(map)])
            return
        for key, value in elements(map):
            print(f"{typed_text(key)}: {typed_text(value)}")
