# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""gen skeleton: a typed Python module from an object file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .user_error import UserError

if TYPE_CHECKING:
    import argparse

HELP = "make a typed Python module of an object file"
DESCRIPTION = """\
Makes a Python module with the object in it: a class with a typed attribute for each of its programs, maps and
global variables, and a class for each struct, union and enum that these use. The module needs nothing but
pylibbpf, and the object file no more.

Structs that are only in records of a ring buffer are found if a global pointer keeps them in the object, as
`const struct event *unused __attribute__((unused));` does, or if --type names them.
"""
EXAMPLES = """
  {prog} gen skeleton tool.bpf.o -o skel.py
  {prog} gen skeleton tool.bpf.o -o skel.py --type 'struct event'
  {prog} gen skeleton tool.bpf.o -o skel.py --check declarations
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="an object file, as clang makes it")
    parser.add_argument("-o", "--output", metavar="PATH", help="the module to write, by default stdout")
    parser.add_argument("--name", default="", help="the name of the class, by default that of the file")
    parser.add_argument(
        "--type",
        action="append",
        default=[],
        metavar="TYPE",
        help="also declare this type of the object's, 'struct event'; may be repeated",
    )
    parser.add_argument(
        "--check",
        choices=("declarations", "all"),
        help="write nothing, and fail if the module is not what would be written: in what it declares, or "
        "also in the object, which another clang compiles to other bytes",
    )


def run(options: argparse.Namespace) -> None:
    from ..skeleton import generate

    if options.check and not options.output:
        raise UserError("--check needs the module to look at: -o PATH")
    try:
        source = generate(options.file, name=options.name, types=options.type)
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error
    if options.check:
        _check(options.output, source, options.check)
    elif options.output:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(source)
    else:
        print(source, end="")


def _check(path: str, source: str, what: str) -> None:
    from ..skeleton.stale import declarations, image

    with open(path, encoding="utf-8") as file:
        present = file.read()
    if declarations(present) != declarations(source):
        raise UserError(f"{path} is stale: it does not declare what the object has; make it again")
    # Not the text: each version of zlib may write it otherwise.
    if what == "all" and image(present) != image(source):
        raise UserError(f"{path} is stale: it has another object in it; make it again")
