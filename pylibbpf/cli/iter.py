# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""iter: run an iterator program, and write what it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .references import HELP as REFERENCE
from .user_error import UserError

if TYPE_CHECKING:
    import argparse

HELP = "run an iterator program"
DESCRIPTION = """\
Loads one iterator program of an object file, runs it once, and writes what it writes. Needs Linux 5.8, and
6.1 to look at one process or cgroup only.
"""
EXAMPLES = """
  {prog} iter tools.bpf.o dump_task
  {prog} iter tools.bpf.o dump_task --pid 1
  {prog} iter tools.bpf.o dump_elements --map counts
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="an object file, as clang makes it")
    parser.add_argument("program", metavar="PROGRAM", help="the name of the program in it")
    parser.add_argument("--target", metavar="NAME", help="what it walks, where its section does not say")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--map", metavar="MAP", help=f"the map whose elements it walks: {REFERENCE}")
    only.add_argument("--cgroup", metavar="PATH", help="the cgroup where it begins")
    only.add_argument("--pid", type=int, metavar="ID", help="only this process")
    only.add_argument("--tid", type=int, metavar="ID", help="only this thread")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="set a global variable"
    )


def run(options: argparse.Namespace) -> None:
    import shutil
    import sys
    from contextlib import ExitStack

    from ..errors import ProgramTypeError
    from ..object import Object
    from ..programs import Iter
    from .configuring import only_programs, set_variables
    from .references import open_map

    with ExitStack() as stack:
        obj = stack.enter_context(Object.open(options.file))
        try:
            program = obj.program(options.program, Iter)
        except ProgramTypeError as error:
            iterators = [f"'{each.name}'" for each in obj.programs.values() if isinstance(each, Iter)]
            raise UserError(
                f"{str(error).rpartition(', not ')[0]}: only iterators can be run like that; "
                f"it has {', '.join(iterators) or 'none'}"
            ) from None
        only_programs(obj, [options.program])
        set_variables(obj, options.set)
        if options.target is not None:
            program.set_attach_target(options.target)
        where: dict[str, Any] = {
            name: value for name in ("cgroup", "pid", "tid") if (value := getattr(options, name)) is not None
        }
        if options.map is not None:
            where["map"] = stack.enter_context(open_map(options.map))
        obj.load()
        file = stack.enter_context(program.attach(**where).open())
        sys.stdout.flush()
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
