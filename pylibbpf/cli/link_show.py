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
    from .holding import pinned_paths
    from .output import facts, plain, write_json
    from .places import place
    from .references import open_link

    with open_link(options.link) as link:
        info = link.info()
    data: dict[str, Any] = {
        **plain(info),
        "pinned": pinned_paths("link", info.id),
        "holders": [plain(holder) for holder in kernel.holders().links.get(info.id, ())],
    }
    if options.json:
        write_json(data)
        return
    data["holders"] = [f"{holder['name']} ({holder['pid']}), fd {holder['fd']}" for holder in data["holders"]]
    try:
        with Program.from_id(info.program_id) as program:
            data["program_name"] = program.name
    except NotFoundError:
        pass  # a struct_ops link has none
    data["where"] = place(info)
    facts(data)
