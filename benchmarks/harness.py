# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Measuring a figure beside C: the same work, the same libbpf, in the same run, in turns.

A machine's speed drifts, so what counts is the ratio of each pair of neighbouring rounds.
Each round is a process of its own, which times its work by CPU time and prints nanoseconds.
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass
from math import inf
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBBPF = ROOT / "libbpf"
BUILD = ROOT / "build" / "bench"
HERE = Path(__file__).resolve().parent

FLAGS = ("-O2", "-g", "-D_GNU_SOURCE", "-D_LARGEFILE64_SOURCE", "-D_FILE_OFFSET_BITS=64")
INCLUDES = tuple(f"-I{LIBBPF / part}" for part in ("src", "include", "include/uapi"))


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        values: our rounds, in `unit`.
        reference: the rounds of what it is compared with, or none.
        unit: "us", "ns", "ms", "KB".
        limit: the largest good value, of the ratio where there is a reference; inf for none.
        of_difference: compare the fastest round of ours minus that of the reference with the limit,
            and not the ratio: what else the machine does only adds to a time of a few microseconds.
        of_value: compare ours alone with the limit; the reference is there to be seen.
        beside: whose rounds the reference's are.
    """

    name: str
    values: list[float]
    reference: list[float]
    unit: str
    limit: float
    of_difference: bool = False
    of_value: bool = False
    beside: str = "C"

    @property
    def ratio(self) -> float | None:
        """Ours over the reference's, the median of the rounds; None without a reference."""
        if not self.reference:
            return None
        return statistics.median(o / t for o, t in zip(self.values, self.reference, strict=True))

    @property
    def compared(self) -> list[float]:
        """What is compared with the limit, round by round."""
        if not self.reference or self.of_value:
            return self.values
        pairs = zip(self.values, self.reference, strict=True)
        return [ours - theirs if self.of_difference else ours / theirs for ours, theirs in pairs]

    @property
    def result(self) -> float:
        if self.of_difference:
            return min(self.values) - min(self.reference)
        return statistics.median(self.compared)

    @property
    def good(self) -> bool:
        return self.result <= self.limit

    def row(self) -> list[str]:
        """The cells of its line: see COLUMNS."""

        def median(values: list[float]) -> str:
            return f"{statistics.median(values):,.2f} {self.unit}"

        unit = self.unit if self.of_difference or self.of_value or not self.reference else "x"
        over = " over" if self.of_difference else ""
        return [
            self.name,
            f"{self.ratio:.2f} x {self.beside}" if self.ratio is not None else "",
            median(self.values),
            median(self.reference) if self.reference else "",
            f"{self.result:,.2f} {unit}{over}",
            f"{min(self.compared):,.2f} to {max(self.compared):,.2f}",
            "" if self.limit == inf else f"{self.limit:g} {unit}{over}",
            "" if self.limit == inf else "good" if self.good else "MISSED",
        ]


# Of a row: what was measured, ours over the reference's, the medians of both, what is compared with the
# limit and how far its rounds spread, the limit, and whether it is kept.
COLUMNS = ["", "ratio", "pylibbpf", "beside", "judged", "spread", "limit", ""]


def compile_c(name: str) -> Path:
    """The program of benchmarks/NAME.c, linked with the vendored libbpf, which is built once."""
    BUILD.mkdir(parents=True, exist_ok=True)
    archive = BUILD / "libbpf.a"
    sources = sorted((LIBBPF / "src").glob("*.c"))
    if not archive.exists() or archive.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        compiler = ["cc", *FLAGS, "-w", *INCLUDES, "-c", *map(str, sources)]
        subprocess.run(compiler, cwd=BUILD, check=True)
        objects = [str(BUILD / f"{path.stem}.o") for path in sources]
        archive.unlink(missing_ok=True)
        subprocess.run(["ar", "rcs", str(archive), *objects], check=True)
    program, source = BUILD / name, HERE / f"{name}.c"
    newest = max(source.stat().st_mtime, archive.stat().st_mtime)
    if not program.exists() or program.stat().st_mtime < newest:
        command = ["cc", *FLAGS, *INCLUDES, str(source), "-o", str(program), str(archive), "-lelf", "-lz"]
        subprocess.run(command, check=True)
    return program


def nanoseconds(command: list[str]) -> float:
    """Runs a round: the last line of its output is its figure."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{shlex.join(command)} failed:\n{done.stdout}{done.stderr}")
    return float(done.stdout.split()[-1])


def in_turns(ours: list[str], theirs: list[str], rounds: int) -> tuple[list[float], list[float]]:
    """Both commands' figures in nanoseconds, measured one after the other, `rounds` times after a warm-up."""
    nanoseconds(ours), nanoseconds(theirs)
    pairs = [(nanoseconds(ours), nanoseconds(theirs)) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def python(*arguments: str) -> list[str]:
    """The command of a round in Python."""
    return [sys.executable, *arguments]
