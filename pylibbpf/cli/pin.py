# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""pin: keep a program, map or link alive under a name on a BPF file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .references import add_reference

if TYPE_CHECKING:
    import argparse

HELP = "pin a program, map or link"
DESCRIPTION = """\
Pins a program, map or link to a path on a BPF file system, where it outlives the processes that hold it.
Nothing is ever overwritten.
"""
EXAMPLES = """
  {prog} pin map counts /sys/fs/bpf/counts
  {prog} pin prog 42 /sys/fs/bpf/filter
  {prog} pin link 5 /sys/fs/bpf/my_link
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("prog", "map", "link"), help="what it is")
    add_reference(parser, "object")
    parser.add_argument("path", metavar="PATH", help="a name that does not exist yet, on a BPF file system")


def run(options: argparse.Namespace) -> None:
    from ..link import from_fd
    from ..maps import Map
    from ..programs import Program
    from .references import open_link, open_map, open_program

    # Once more from the fd: what came from a pin would say that it is pinned already.
    if options.kind == "link":
        with open_link(options.object) as opened, from_fd(opened.fd) as link:
            link.pin(options.path)
    elif options.kind == "map":
        with open_map(options.object) as opened_map, Map.from_fd(opened_map.fd) as map:
            map.pin(options.path)
    else:
        with open_program(options.object) as loaded, Program.from_fd(loaded.fd) as program:
            program.pin(options.path)
