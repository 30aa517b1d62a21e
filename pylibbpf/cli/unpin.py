# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""unpin: remove names from a BPF file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .user_error import UserError

if TYPE_CHECKING:
    import argparse

HELP = "remove pins"
DESCRIPTION = """\
Removes pins, and nothing but pins. What nobody else holds ends then: a link of a program is detached.
"""
EXAMPLES = """
  {prog} unpin /sys/fs/bpf/my_link
  {prog} unpin /sys/fs/bpf/tool/*
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="+", metavar="PATH", help="a pin")


def run(options: argparse.Namespace) -> None:
    import os

    from .bpffs import is_bpffs, pinned_at

    for path in options.path:
        if os.path.isdir(path):
            raise UserError(f"{path} is a directory, and no pin")
        if os.path.lexists(path) and not is_bpffs(os.path.dirname(path) or "."):
            raise UserError(f"{path} is no pin: it is not on a BPF file system")
        pinned_at(path)
        os.unlink(path)
