# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""btf find: types, functions, fields and enumerators by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .btf_source import add_source, open_source
from .parser import add_json
from .user_error import UserError

if TYPE_CHECKING:
    import argparse

    from ..btf import Btf
    from ..btf.types import Type

HELP = "find types, functions, fields and enumerators"
DESCRIPTION = """\
Finds types and functions by name, or by a pattern with * and ?; fields with their offsets, by the struct's
name, a dot and a path; and enumerators with their values. If nothing is found the exit status is 1.
"""
EXAMPLES = """
  {prog} btf find task_struct
  {prog} btf find 'tcp_*' --kind func
  {prog} btf find task_struct.se.vruntime
  {prog} btf find BPF_MAP_TYPE_ARENA
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a name, a pattern, or a struct and the path of a field")
    parser.add_argument("--kind", help="only types of a kind: struct, union, enum, typedef, func, ...")
    add_source(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int | None:
    from ..btf import Kind
    from ..btf.types import kind_of
    from ..suggestions import close_matches, did_you_mean
    from .output import styled, write_json

    try:
        kind = None if options.kind is None else kind_of(options.kind)
    except (ValueError, TypeError):
        kinds = [each.name.lower() for each in Kind if each]
        words = did_you_mean([f"'{each}'" for each in close_matches(options.kind.lower(), kinds)])
        words = words or f"; there are {', '.join(kinds)}"
        raise UserError(f"'{options.kind}' is no kind of type{words}") from None
    with open_source(options) as btf:
        found = list(_find(btf, options.name, kind))
    if options.json:
        write_json(found)
    else:
        for each in found:
            id = "" if each["id"] is None else f"[{each['id']}] "
            print(f"{styled(id, 'dim')}{each['declaration']}")
    return None if found else 1


def _find(btf: Btf, name: str, kind: Any) -> Iterator[dict[str, Any]]:
    from ..errors import NameNotFoundError

    if re.search(r"[*?\[]", name) and "." not in name:
        yield from _matching(btf, name, kind)
        return
    if "." in name:
        yield _field(btf, *name.split(".", 1))
        return
    types = list(_named(btf, name, kind))
    yield from types
    if types:
        return
    if kind is None and btf.has_enum_value(name):
        value = btf.enum_value(name)
        yield {
            "id": None,
            "kind": "ENUMERATOR",
            "name": name,
            "declaration": f"{name} = {value}",
            "value": value,
        }
        return
    try:
        btf.find(name, kind)
    except NameNotFoundError as error:
        # A pattern that finds nothing is silent, as with grep; a name is a mistake that can be put right.
        raise UserError(str(error)) from None


def _named(btf: Btf, name: str, kind: Any) -> Iterator[dict[str, Any]]:
    """The first type of a name of each kind."""
    from ..btf import Kind
    from ..errors import NameNotFoundError

    seen = set()
    for each in [kind] if kind is not None else [each for each in Kind if each]:
        try:
            found = btf.find(name, each)
        except (NameNotFoundError, ValueError):
            continue  # "struct x" is of no other kind
        if found.id not in seen:
            seen.add(found.id)
            yield _data(found)


def _matching(btf: Btf, pattern: str, kind: Any) -> Iterator[dict[str, Any]]:
    from fnmatch import translate

    fits = re.compile(translate(pattern)).match
    for of in btf:
        if of.name and fits(of.name) and (kind is None or of.kind == kind):
            yield _data(of)


def _field(btf: Btf, struct: str, path: str) -> dict[str, Any]:
    from ..btf.spelling import declare

    field = btf.field(struct, path)
    width = f" : {field.bitfield_size}" if field.bitfield_size else ""
    bit = f", bit {field.bit_offset % 8}" if field.bitfield_size else ""
    return {
        "id": None,
        "kind": "FIELD",
        "name": f"{struct}.{path}",
        "declaration": f"{declare(field.type, path)}{width}; /* offset {field.offset}{bit} of {struct} */",
        "type_id": field.type.id,
        "offset": field.offset,
        "bit_offset": field.bit_offset,
        "bitfield_size": field.bitfield_size,
        "size": field.size,
    }


def _data(of: Type) -> dict[str, Any]:
    from ..btf.spelling import describe

    return {"id": of.id, "kind": of.kind.name, "name": of.name, "declaration": describe(of)}
