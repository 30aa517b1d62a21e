# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""link list: every link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import add_json

if TYPE_CHECKING:
    import argparse

HELP = "list the links"
DESCRIPTION = """\
Lists every link: what is attached where. Needs CAP_SYS_ADMIN and Linux 5.8. Programs also attach
without a link, kprobes, uprobes and tracepoints always so before Linux 5.15: --perf lists those too.
"""
EXAMPLES = """
  {prog} link list
  {prog} link list --type cgroup
  {prog} link list --perf               programs on perf events, linked or not
  {prog} link list --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", help="only links of a type, such as TRACING or xdp")
    parser.add_argument("--holders", action="store_true", help="also tell which processes hold them open")
    parser.add_argument(
        "--perf", action="store_true", help="list programs on perf events of processes instead"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from .. import kernel
    from ..enums import LinkType
    from .holding import holder_names, with_holders
    from .listing import narrowed
    from .output import plain, table, write_json
    from .places import place

    if options.perf:
        _perf(options.json)
        return
    links = narrowed(kernel.links(), options, LinkType)
    holders = kernel.holders().links if options.holders else {}
    if options.json:
        write_json([with_holders(plain(info), holders, options.holders) for info in links])
        return
    names = {info.id: info.name for info in kernel.programs()} if links else {}
    headers = ["ID", "TYPE", "PROGRAM", "NAME", "WHERE"]
    rows = [
        [
            *(info.id, info.type, info.program_id or None, names.get(info.program_id), place(info)),
            *([holder_names(holders, info.id)] if options.holders else []),
        ]
        for info in links
    ]
    table([*headers, "HELD BY"] if options.holders else headers, rows)


def _perf(json: bool) -> None:
    from .. import kernel
    from .output import table, write_json

    attachments = list(kernel.perf_attachments())
    if json:
        write_json(attachments)
        return
    rows = [[each.pid, each.fd, each.program_id, each.type, each.name, each.offset] for each in attachments]
    table(["PID", "FD", "PROGRAM", "TYPE", "NAME", "OFFSET"], rows)
