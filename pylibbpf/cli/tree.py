# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""tree: what is pinned on a BPF file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import add_json
from .user_error import UserError

if TYPE_CHECKING:
    import argparse

HELP = "show what is pinned"
DESCRIPTION = "Shows what is pinned below a directory, by default on every BPF file system that is mounted."
EXAMPLES = """
  {prog} tree
  {prog} tree /sys/fs/bpf/tool
  {prog} tree --json | jq '.[] | select(.kind == "link")'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", nargs="*", metavar="DIRECTORY", help="where to begin")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    import os

    from .bpffs import is_bpffs, mount_points, walk
    from .output import printable, styled, write_json

    directories = options.directory or mount_points()
    if not directories and not options.json:
        raise UserError("no BPF file system is mounted: `mount -t bpf bpf /sys/fs/bpf` mounts one")
    for directory in directories:
        os.stat(directory)  # raises before anything is written
        if not is_bpffs(directory):
            raise UserError(f"{directory} is not on a BPF file system")
    if options.json:
        entries = [entry for directory in directories for entry in walk(directory)]
        write_json(
            [{name: each for name, each in entry._asdict().items() if name != "depth"} for entry in entries]
        )
        return
    for directory in directories:
        print(styled(printable(directory), "bold"))
        for entry in walk(directory):
            name = printable(os.path.basename(entry.path))
            indent = "  " * (entry.depth + 1)
            if entry.kind == "directory":
                print(f"{indent}{styled(name + '/', 'bold')}")
            else:
                about = f"{entry.kind} {entry.id} {entry.type} {printable(entry.name)}".rstrip()
                print(f"{indent}{name}  {styled(about if entry.kind else 'not ours to open', 'dim')}")
