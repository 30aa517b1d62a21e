# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""run: load and attach an object file, and write its events until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parser import count, seconds
from .user_error import UserError
from .values import SYNTAX

if TYPE_CHECKING:
    import argparse

    from ..object import Object

HELP = "load, attach, and write events until Ctrl-C"
DESCRIPTION = f"""\
Loads an object file, attaches every program whose section says where, and writes the events of its ring and
perf buffers, an event on each line, until Ctrl-C. Then everything is detached, what is left in the buffers is
written, and stderr tells how many events there were.

Of what type the events of a map are is not in the object: it is the struct called as the map, without
a plural's s, or `struct event`, if there is one; --map says it otherwise.
{SYNTAX}"""
EXAMPLES = """
  {prog} run execs.bpf.o
  {prog} run execs.bpf.o --set uid=1000 --map events:'struct exec'
  {prog} run execs.bpf.o --table
  {prog} run execs.bpf.o --only on_exec --json | jq .event.comm
  {prog} run execs.bpf.o --duration 10 --stats
"""
_NO_EVENTS = (
    "it has no ring or perf buffer, and so no events; "
    "`pylibbpf map dump MAP` shows what its maps hold meanwhile"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="an object file, as clang makes it")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a global variable before the load",
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="PROGRAM", help="load this program, and no others"
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="MAP[:TYPE]",
        help="read this map, and no others; its records are of a type such as 'struct event'",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="write each event as a line of JSON")
    form.add_argument("--table", action="store_true", help="write events in columns")
    parser.add_argument("--duration", type=seconds, metavar="SECONDS", help="end after so long")
    parser.add_argument("--count", type=count, metavar="EVENTS", help="end after so many events")
    parser.add_argument(
        "--stats", action="store_true", help="also count and time the runs of the programs (5.8)"
    )


def run(options: argparse.Namespace) -> int:
    import sys
    from contextlib import ExitStack

    from ..object import Object
    from ..programs.stats import enable_stats
    from .configuring import only_programs, set_variables
    from .output import filled
    from .stopping import Stop
    from .streams import Streams, writer

    with ExitStack() as stack:
        obj = stack.enter_context(Object.open(options.file))
        if options.only:
            only_programs(obj, options.only)
        set_variables(obj, options.set)
        obj.load()
        streams = stack.enter_context(Streams(obj, options.map))
        if options.stats:
            stack.enter_context(enable_stats())
        stop = stack.enter_context(Stop(options.duration))
        links = obj.attach()
        _tell_unattached(obj)
        if not links:
            raise UserError(
                "no program was attached: `run` attaches what says in its section where it runs; the rest is "
                "for Python, by `attach()` of the program or pylibbpf.link"
            )
        if not streams:
            print(filled(_NO_EVENTS, sys.stderr), file=sys.stderr)
        for line in streams.description():
            print(line, file=sys.stderr)
        write = writer(options, many=len(streams) > 1)
        streams.read(write, stop, options.count)
        obj.detach()
        streams.drain(write, options.count)
        sys.stdout.flush()
        for line in streams.counts():
            print(line, file=sys.stderr)
        if options.stats:
            _tell_runs(obj)
    return 0


def _tell_unattached(obj: Object) -> None:
    """Says on stderr what runs nowhere."""
    import sys

    from .output import filled

    for program in obj.programs.values():
        if program.autoload and not program.links:
            message = (
                f'{program.name} is loaded and not attached: SEC("{program.section}") does not say where '
                f"{_with_article(type(program).__name__)} is to run"
            )
            print(filled(message, sys.stderr), file=sys.stderr)


def _with_article(word: str) -> str:
    return f"{'an' if word[0] in 'AEIOUX' else 'a'} {word}"


def _tell_runs(obj: Object) -> None:
    import sys

    for program in obj.programs.values():
        if program.autoload:
            stats = program.stats()
            mean = f", {stats.run_time_ns // stats.run_count} ns each" if stats.run_count else ""
            print(f"{program.name}: {stats.run_count} runs{mean}", file=sys.stderr)
