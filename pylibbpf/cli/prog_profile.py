# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""prog profile: how often and how long programs run, by the kernel's own counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .parser import add_json, seconds
from .references import HELP as REFERENCE
from .references import add_reference

if TYPE_CHECKING:
    import argparse

    from ..programs.info import ProgramInfo

HELP = "count and time the runs of programs"
DESCRIPTION = """\
Makes the kernel count the runs of every program for a while, and shows which ran, the
most costly first. Counting costs each run some 20 ns. Needs CAP_SYS_ADMIN and Linux 5.8.
"""
EXAMPLES = """
  {prog} prog profile                   until Ctrl-C
  {prog} prog profile --duration 10
  {prog} prog profile count_packets --duration 1 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference(parser, "program", f"only this program: {REFERENCE}", nargs="*")
    parser.add_argument(
        "--duration", type=seconds, metavar="SECONDS", help="how long to count; by default until Ctrl-C"
    )
    add_json(parser)


class _Counted(NamedTuple):
    """What a program did meanwhile."""

    id: int
    type: str
    name: str
    run_count: int
    run_time_ns: int
    recursion_misses: int


def run(options: argparse.Namespace) -> None:
    import sys
    import time

    from ..programs.stats import enable_stats
    from .output import table, write_json
    from .references import open_program
    from .stopping import Stop

    ids = set()
    for reference in options.program:
        with open_program(reference) as program:
            ids.add(program.id)
    with Stop(options.duration) as stop, enable_stats():
        before = _infos(ids)
        began = time.monotonic()
        if options.duration is None:
            print("Counting until Ctrl-C", file=sys.stderr, flush=True)
        stop.wait()
        seconds = time.monotonic() - began
        counted = _differences(before, _infos(ids), everything=bool(ids))
    if options.json:
        write_json({"seconds": round(seconds, 6), "programs": counted})
        return
    rows = [
        [
            *(program.id, program.type, program.name, program.run_count),
            round(program.run_count / seconds, 1),
            round(program.run_time_ns / program.run_count) if program.run_count else None,
            round(program.run_time_ns / seconds / 1e7, 3),
            program.recursion_misses,
        ]
        for program in counted
    ]
    table(["ID", "TYPE", "NAME", "RUNS", "RUNS/S", "NS/RUN", "CPU %", "MISSED"], rows)


def _infos(ids: set[int]) -> dict[int, ProgramInfo]:
    from .. import kernel

    return {info.id: info for info in kernel.programs() if not ids or info.id in ids}


def _differences(
    before: dict[int, ProgramInfo], after: dict[int, ProgramInfo], *, everything: bool
) -> list[_Counted]:
    found = []
    for id, info in after.items():
        old = before[id].stats if id in before else None
        counted = _Counted(
            id,
            info.type.name,
            info.name,
            info.stats.run_count - (old.run_count if old else 0),
            info.stats.run_time_ns - (old.run_time_ns if old else 0),
            info.stats.recursion_misses - (old.recursion_misses if old else 0),
        )
        if everything or counted.run_count:
            found.append(counted)
    return sorted(found, key=lambda program: -program.run_time_ns)
