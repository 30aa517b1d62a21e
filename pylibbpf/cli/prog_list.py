# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""prog list: every loaded program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import add_json

if TYPE_CHECKING:
    import argparse

HELP = "list the loaded programs"
DESCRIPTION = "Lists every loaded program. Needs CAP_SYS_ADMIN."
EXAMPLES = """
  {prog} prog list
  {prog} prog list --type XDP
  {prog} prog list --holders            with the processes that hold them
  {prog} prog list --json | jq '.[] | select(.stats.run_count > 0)'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", help="only programs of a type, such as TRACING or xdp")
    parser.add_argument("--name", help="only programs of a name")
    parser.add_argument("--holders", action="store_true", help="also tell which processes hold them open")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from .. import kernel
    from ..enums import ProgramType
    from .holding import holder_names, with_holders
    from .listing import narrowed
    from .output import table, write_json

    programs = narrowed(kernel.programs(), options, ProgramType)
    holders = kernel.holders().programs if options.holders else {}
    if options.json:
        write_json([with_holders(_data(info), holders, options.holders) for info in programs])
        return
    headers = ["ID", "TYPE", "NAME", "TAG", "UID", "BYTES", "JITED", "MAPS"]
    rows = [
        [
            *(info.id, info.type, info.name, info.tag, info.created_by_uid),
            *(info.translated_size, info.jited_size, len(info.map_ids)),
            *([holder_names(holders, info.id)] if options.holders else []),
        ]
        for info in programs
    ]
    table([*headers, "HELD BY"] if options.holders else headers, rows)


def _data(info: object) -> dict[str, object]:
    """Without the machine code and instructions, which are long: `prog show` has them counted."""
    from ..programs.info import ProgramInfo
    from .output import plain

    return {name: plain(getattr(info, name)) for name in ProgramInfo.__dataclass_fields__}
