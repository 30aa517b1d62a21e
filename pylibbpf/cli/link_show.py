# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""link show: all that the kernel tells of one link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .parser import add_json
from .references import add_reference

if TYPE_CHECKING:
    import argparse

HELP = "show one link"
DESCRIPTION = """\
Shows one link: what is attached where, and who holds it. Facts that this kernel does not tell are left out.
"""
EXAMPLES = """
  {prog} link show 5
  {prog} link show /sys/fs/bpf/my_link --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference(parser, "link", "its id, or the path of its pin")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from .. import kernel
    from ..errors import NotFoundError
    from ..programs import Program
    from .holding import holder_lines, pinned_paths
    from .output import facts, plain, write_json
    from .places import place
    from .references import open_link

    with open_link(options.link) as link:
        info = link.info()
    holders = kernel.holders().links
    data: dict[str, Any] = {
        **plain(info),
        "pinned": pinned_paths("link", info.id),
        "holders": plain(holders.get(info.id, ())),
    }
    if options.json:
        write_json(data)
        return
    data["holders"] = holder_lines(holders, info.id)
    if info.program_id:  # a struct_ops link has none
        try:
            with Program.from_id(info.program_id) as program:
                data["program_name"] = program.name
        except NotFoundError:
            pass  # the link has gone since
    data["where"] = place(info)
    facts(data)
