# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""btf list: all BTF that the kernel has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import add_json

if TYPE_CHECKING:
    import argparse

HELP = "list the BTF that the kernel has"
DESCRIPTION = """\
Lists the BTF of the kernel, its modules, programs and maps. Needs CAP_SYS_ADMIN; there are names since
Linux 5.11.
"""
EXAMPLES = """
  {prog} btf list
  {prog} btf list --kernel              of the kernel and its modules only
  {prog} btf list --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kernel", action="store_true", help="only that of the kernel and its modules")
    parser.add_argument("--holders", action="store_true", help="also tell which processes hold it open")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from .. import kernel
    from .holding import holder_names, with_holders
    from .output import bytes_size, plain, table, write_json

    found = [info for info in kernel.btfs() if info.kernel or not options.kernel]
    holders = kernel.holders().btfs if options.holders else {}
    if options.json:
        write_json([with_holders(plain(info), holders, options.holders) for info in found])
        return
    headers = ["ID", "NAME", "OF", "SIZE"]
    rows = [
        [
            *(info.id, info.name, "kernel" if info.kernel else "programs", bytes_size(info.size)),
            *([holder_names(holders, info.id)] if options.holders else []),
        ]
        for info in found
    ]
    table([*headers, "HELD BY"] if options.holders else headers, rows)
