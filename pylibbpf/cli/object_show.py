# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""object show: what a BPF object file has in it, without loading it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .parser import add_json

if TYPE_CHECKING:
    import argparse

    from ..object import Object

HELP = "show what an object file has in it"
DESCRIPTION = """\
Shows the programs of an object file, its maps, its global variables with their types and values, and which
of its CO-RE relocations find nothing on this kernel. No program is loaded, and no map is made.
"""
EXAMPLES = """
  {prog} object show tool.bpf.o
  {prog} object show tool.bpf.o --json | jq '.programs[].section'
"""

# Columns that a value takes at most: a buffer can have many thousand.
_LONGEST = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="an object file, as clang makes it")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from ..errors import BpfError
    from ..object import Object
    from .output import plain, write_json
    from .relocations import relocate

    with Object.open(options.file) as obj:
        data: dict[str, Any] = {
            "name": obj.name,
            "license": obj.license,
            "programs": _programs(obj),
            "maps": _maps(obj),
            "variables": _variables(obj),
        }
        try:
            data["failed_relocations"] = plain(relocate(obj))
        except BpfError as error:
            data["failed_relocations"], data["relocation_error"] = None, str(error)
    if options.json:
        write_json(data)
    else:
        _write(data)


def _programs(obj: Object) -> list[dict[str, Any]]:
    return [
        {
            "name": program.name,
            "class": type(program).__name__,
            "type": program.type.name,
            "section": program.section,
            "instructions": len(program.instructions) // 8,
            "autoload": program.autoload,
        }
        for program in obj.programs.values()
    ]


def _maps(obj: Object) -> list[dict[str, Any]]:
    from ..btf.types import DataSec

    found = []
    for map in obj.maps.values():
        key, value = map._type_ids if obj.btf is not None else (0, 0)
        types = [str(obj.btf[id]) if id and obj.btf is not None else None for id in (key, value)]
        if obj.btf is not None and value and isinstance(obj.btf[value], DataSec):
            types = [None, "variables"]
        found.append(
            {
                "name": map.name,
                "type": map.type.name,
                "key_size": map.key_size,
                "value_size": map.value_size,
                "max_entries": map.max_entries,
                "key_type": types[0],
                "value_type": types[1],
            }
        )
    return found


def _variables(obj: Object) -> list[dict[str, Any]]:
    from ..errors import StateError
    from .values import plain_value

    if obj.btf is None:
        return []
    found = []
    for variable in obj.variables.values():
        try:
            value = plain_value(variable.value, variable._codec())
        except StateError:
            value = None  # the kernel's configuration, which is known after the load
        found.append(
            {
                "name": variable.name,
                "type": str(variable.type),
                "section": variable.section,
                "size": variable.size,
                "value": value,
            }
        )
    return found


def _write(data: dict[str, Any]) -> None:
    import sys

    from .output import cut, facts, filled, styled, table
    from .values import typed_text

    facts({"name": data["name"], "license": data["license"] or "none"})
    if data["programs"]:
        print()
        table(
            ["PROGRAM", "CLASS", "SECTION", "INSTRUCTIONS", "AUTOLOAD"],
            [
                [each[name] for name in ("name", "class", "section", "instructions", "autoload")]
                for each in data["programs"]
            ],
        )
    if data["maps"]:
        print()
        table(
            ["MAP", "TYPE", "KEY", "VALUE", "ENTRIES"],
            [
                [
                    *(each["name"], each["type"]),
                    *(each[f"{part}_type"] or _bytes(each[f"{part}_size"]) for part in ("key", "value")),
                    each["max_entries"],
                ]
                for each in data["maps"]
            ],
        )
    if data["variables"]:
        print()
        table(
            ["VARIABLE", "TYPE", "SECTION", "VALUE"],
            [
                [
                    *(each["name"], each["type"], each["section"]),
                    None if each["value"] is None else cut(typed_text(each["value"]), _LONGEST),
                ]
                for each in data["variables"]
            ],
        )
    print()
    failed = data["failed_relocations"]
    if failed is None:
        words = f"Which CO-RE relocations would fail, cannot be told here: {data['relocation_error']}"
        print(filled(words, sys.stdout))
    elif not failed:
        print("All CO-RE relocations find what they want on this kernel.")
    else:
        print(styled("CO-RE relocations that find nothing on this kernel, harmless where guarded:", "yellow"))
        for each in failed:
            line = f"  {each['program']}, instruction {each['instruction']}: {each['wanted']}"
            print(filled(line, sys.stdout))


def _bytes(count: int) -> str | None:
    return f"{count} bytes" if count else None
