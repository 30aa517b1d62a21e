# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the benchmarks found: as a table for the terminal, and as a page of the manual."""

from __future__ import annotations

import inspect
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from .harness import COLUMNS, Figure


@dataclass(frozen=True)
class Section:
    """The figures of one benchmark, and what its docstring says of them."""

    name: str
    text: str
    figures: list[Figure]


def measured(benchmark: ModuleType) -> Section:
    """Runs a benchmark."""
    name = benchmark.__name__.rpartition(".")[2]
    return Section(name, inspect.getdoc(benchmark) or "", benchmark.figures())


def machine() -> str:
    """What the figures were taken on."""
    return f"Python {platform.python_version()}, Linux {platform.release()}, {os.cpu_count()} CPUs"


def table(figures: Sequence[Figure]) -> str:
    """One aligned table."""
    rows = [COLUMNS, *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([f"{machine()}; medians", *(line.rstrip() for line in lines)])


INTRODUCTION = """\
# Performance

Every figure of the project, as `make bench` found it. Each is measured beside its
reference in the same run, in turns, on the same vendored libbpf. A round is a process of
its own, which times its work by CPU time; the figures are medians of the rounds, and a
ratio is the median of the ratios of neighbouring rounds, since a machine's speed drifts.
"over" is the fastest of ours minus the fastest of the reference's: such times are a few
microseconds, to which everything else that the machine does only adds.

`python -m benchmarks NAME` measures one section again.

Taken on {machine}, a virtual machine that shares its processors with others.

## What follows for a tool

- Drain many events at once: `read_batch()` into NumPy arrays costs little more than C.
- Count and sum up in the program, and read its globals: they cost no system call.
- Read whole maps with `to_numpy()` or `items()`; a single look-up is a system call each.
- In asyncio, `async for` costs more than `for` because of the language: an asynchronous
  generator resumes once for each event. `read_batch_async()` gives a batch at a time.
"""


def page(sections: Sequence[Section]) -> str:
    """The page of the manual, in Markdown."""
    parts = [INTRODUCTION.format(machine=machine())]
    for section in sections:
        rows = [COLUMNS, ["---"] * len(COLUMNS), *(figure.row() for figure in section.figures)]
        lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        parts.append(f"## {section.name}\n\n{section.text}\n\n{lines}\n")
    return "\n".join(parts)
