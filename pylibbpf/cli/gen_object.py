# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""gen object: link object files into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .user_error import UserError

if TYPE_CHECKING:
    import argparse

HELP = "link object files into one"
DESCRIPTION = """\
Links BPF object files statically into one: their programs, maps, variables and types together; an extern of
one is resolved by another. If it fails, no file is left.
"""
EXAMPLES = """
  {prog} gen object tool.bpf.o probes.bpf.o maps.bpf.o
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", metavar="OUTPUT", help="the file to make; one that exists is overwritten")
    parser.add_argument("input", nargs="+", metavar="INPUT", help="an object file")


def run(options: argparse.Namespace) -> None:
    import os

    from ..linker import Linker

    for path in options.input:
        # Before the output is there: the linker begins by emptying it.
        with open(path, "rb") as file:
            if os.path.exists(options.output) and os.path.samestat(
                os.fstat(file.fileno()), os.stat(options.output)
            ):
                raise UserError(f"{path} cannot be input and output")
    with Linker(options.output) as linker:
        for path in options.input:
            linker.add(path)
