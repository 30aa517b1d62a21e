# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the suite did on each kernel, and on none: the plugin's reports, the table, the checked-in list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Tests that no kernel of the matrix can run: a JSON object of node ids and reasons.
UNRUNNABLE = Path(__file__).with_name("unrunnable.json")


@dataclass(frozen=True)
class Result:
    """One test: "passed", "failed" or "skipped", with the failure's text or the skip's reason."""

    nodeid: str
    outcome: str
    seconds: float
    text: str


@dataclass
class Report:
    """What the suite did on one kernel. `trouble` says why it is not the whole story, if it is not."""

    name: str
    release: str = ""
    seconds: float = 0.0
    results: list[Result] = field(default_factory=list)
    trouble: str = ""
    tests: list[str] = field(default_factory=list)
    selection: list[str] = field(default_factory=list)

    def outcomes(self, outcome: str) -> list[Result]:
        """Return the tests with this outcome."""
        return [result for result in self.results if result.outcome == outcome]

    @property
    def failed(self) -> bool:
        """Whether a test failed, or the suite did not run to its end."""
        return bool(self.trouble or self.outcomes("failed"))


def read(name: str, path: Path) -> Report:
    """Read a report that the plugin wrote, maybe cut short."""
    report = Report(name)
    running, status = "", None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            break  # what a guest wrote as it died
        match record.pop("event"):
            case "start":
                report.release, report.tests = record["release"], record["tests"]
                report.selection = record["selection"]
            case "begin":
                running = record["nodeid"]
            case "test":
                running = ""
                report.results.append(Result(**record))
            case "finish":
                status = record["status"]
    report.seconds = sum(result.seconds for result in report.results)
    if status is None:
        report.trouble = f"ended in {running}" if running else "ended before the tests did"
    elif status not in (0, 1, 5) and not report.outcomes(
        "failed"
    ):  # 5: no tests, all of a part are for the host
        report.trouble = f"pytest ended with status {status}"
    return report


# The table


def table(reports: Iterable[Report]) -> str:
    """Return a line for each kernel: how many passed, failed and were skipped, the seconds, the slowest."""
    rows: list[tuple[str, ...]] = [("kernel", "release", "passed", "failed", "skipped", "seconds", "slowest")]
    for report in reports:
        counts = (str(len(report.outcomes(outcome))) for outcome in ("passed", "failed", "skipped"))
        slowest = sorted(report.results, key=lambda result: result.seconds, reverse=True)[:3]
        remarks = [f"{result.nodeid} {result.seconds:.1f} s" for result in slowest]
        if report.trouble:
            remarks.insert(0, f"**** {report.trouble.splitlines()[0]} ****")
        rows.append((report.name, report.release, *counts, f"{report.seconds:.0f}", ", ".join(remarks)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {2, 3, 4, 5}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def failures(reports: Iterable[Report]) -> str:
    """Return the full text of every failure."""
    texts = []
    for report in reports:
        if report.trouble:
            texts.append(f"==== {report.name}: {report.trouble}\n")
        texts += [
            f"==== {report.name}: {result.nodeid}\n{result.text}" for result in report.outcomes("failed")
        ]
    return "\n".join(texts)


# What no kernel could run


def read_unrunnable(path: Path = UNRUNNABLE) -> dict[str, str]:
    """Read the checked-in list: a reason for each test that no kernel of the matrix can run."""
    listed: dict[str, str] = json.loads(path.read_text())
    return listed


def not_run(reports: Sequence[Report]) -> dict[str, str]:
    """Return the tests that were skipped everywhere, each with what was said on the first kernel."""
    reasons: dict[str, str] = {}
    ran = set()
    for result in (result for report in reports for result in report.results):
        if result.outcome == "skipped":
            reasons.setdefault(result.nodeid, result.text)
        else:
            ran.add(result.nodeid)
    return {nodeid: reason for nodeid, reason in sorted(reasons.items()) if nodeid not in ran}


def differences(
    listed: Mapping[str, str], reports: Sequence[Report], *, every_kernel: bool, every_test: bool
) -> list[str]:
    """Return how the checked-in list differs from what the reports show, a line for each test.

    Only a run of `every_kernel` shows that none can run a test, only one of `every_test` that there is none.
    """
    skipped = not_run(reports)
    ran: dict[str, list[str]] = {}
    for report in reports:
        for result in report.results:
            if result.outcome != "skipped":
                ran.setdefault(result.nodeid, []).append(report.name)
    lines = []
    if every_kernel:
        lines += [f"no kernel ran {nodeid}: {skipped[nodeid]}" for nodeid in skipped if nodeid not in listed]
    for nodeid in listed:
        if nodeid in ran:
            lines.append(f"listed, but ran on {', '.join(ran[nodeid])}: {nodeid}")
        elif nodeid not in skipped and every_test:
            lines.append(f"listed, but there is no such test: {nodeid}")
    return lines
