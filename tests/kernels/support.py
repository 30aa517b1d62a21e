# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""docs/support.rst: which kind of program attaches on which kernel, from the reports of the matrix.

`make support-table` writes it. What stands in a cell is what a test has shown on that kernel.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kernels import archive, report

CHECKOUT = Path(__file__).resolve().parents[2]
REPORTS = CHECKOUT / "build" / "reports"
TABLE = CHECKOUT / "docs" / "support.rst"

# Of the conformance tests (tests/link/harness.py): whatever attaches passes the first, what has a link the
# second.
ATTACHES = "test_it_fires_until_it_is_closed"
HAS_LINK = "test_the_kernel_tells_what_was_asked"


class IncompleteError(Exception):
    """The reports do not tell enough to make a table of."""


@dataclass(frozen=True)
class Row:
    """A kind of program, in words, and the tests that show it: node ids, or what they begin with.

    Attributes:
        kind: what a reader calls it.
        attaches: who passes one of these attaches it.
        by_link: who passes one of these has a link for it.
    """

    kind: str
    attaches: tuple[str, ...]
    by_link: tuple[str, ...] = ()

    @property
    def tests(self) -> tuple[str, ...]:
        return self.attaches + self.by_link


def conforms(kind: str, *classes: str) -> Row:
    """The row of a kind that the harness tests, by "file::class" below tests/link/test_."""
    names = [f"tests/link/test_{name.replace('::', '.py::')}" for name in classes]
    return Row(
        kind, tuple(f"{name}::{ATTACHES}" for name in names), tuple(f"{name}::{HAS_LINK}" for name in names)
    )


STRUCT_OPS = "tests/link/test_struct_ops.py"

ROWS = (
    conforms("iterators: tasks", "iter::TestTaskIter"),
    conforms("iterators: one thread or process", "iter::TestThreadIter"),
    conforms("iterators: elements of a map", "iter::TestMapIter"),
    conforms("iterators: cgroups", "iter::TestCgroupIter"),
    conforms("fentry", "tracing::TestFEntry"),
    conforms("fexit", "tracing::TestFExit"),
    conforms("fsession", "tracing::TestFSession"),
    conforms("fmod_ret", "tracing::TestFModRet"),
    conforms("freplace", "tracing::TestExtension"),
    conforms("LSM", "tracing::TestLsm"),
    conforms("LSM of a cgroup", "cgroup::TestLsmCgroup"),
    conforms("tp_btf", "raw_tracepoint::TestBtfTracePoint"),
    conforms("raw_tp", "raw_tracepoint::TestRawTracePoint"),
    conforms("raw_tp.w", "raw_tracepoint::TestRawTracePointWritable"),
    conforms("tracepoint", "tracepoint::TestTracePoint"),
    conforms("kprobe", "kprobe::TestKProbe"),
    conforms("kretprobe", "kprobe::TestKRetProbe"),
    conforms("ksyscall", "ksyscall::TestKSyscall"),
    conforms("kretsyscall", "ksyscall::TestKRetSyscall"),
    conforms("kprobe.multi", "kprobe_multi::TestKProbeMulti"),
    conforms("kretprobe.multi", "kprobe_multi::TestKRetProbeMulti"),
    conforms("kprobe.session", "kprobe_multi::TestKProbeSession"),
    conforms("uprobe", "uprobe::TestUProbe"),
    conforms("uretprobe", "uprobe::TestURetProbe"),
    conforms("uprobe.multi", "uprobe_multi::TestUProbeMulti"),
    conforms("uretprobe.multi", "uprobe_multi::TestURetProbeMulti"),
    conforms("uprobe.session", "uprobe_multi::TestUProbeSession"),
    conforms("USDT", "usdt::TestUsdt"),
    conforms("perf events", "perf_event::TestPerfEvent"),
    conforms("XDP", "xdp::TestXdp"),
    conforms("XDP through netlink", "xdp::TestXdpThroughNetlink"),
    conforms("tcx", "tcx::TestTcx"),
    conforms("netkit", "netkit::TestNetkit"),
    conforms("filters of traffic control", "tc::TestTc"),
    conforms("netfilter", "netfilter::TestNetfilter"),
    conforms("sk_lookup", "netns::TestSkLookup"),
    conforms("flow dissector", "netns::TestFlowDissector"),
    conforms("cgroups", "cgroup::TestCgroup"),
    conforms("cgroups, by BPF_PROG_ATTACH", "cgroup::TestWithoutLink"),
    conforms("sk_msg", "sockmap::TestSkMsg", "sockmap::TestSkMsgWithoutLink"),
    conforms("sk_skb", "sockmap::TestSkSkb", "sockmap::TestSkSkbWithoutLink"),
    conforms("socket filters", "socket_filter::TestSocketFilter"),
    conforms("sk_reuseport", "socket_filter::TestReuseport"),
    Row(
        "struct_ops",
        (f"{STRUCT_OPS}::test_a_map_without_a_link_carries_traffic_until_it_is_closed",),
        (f"{STRUCT_OPS}::test_a_congestion_control_carries_traffic_until_its_link_closes",),
    ),
    conforms("raw links", "raw_link::TestRawLink"),
)


def cell(row: Row, made: report.Report) -> str:
    """What a kernel does for a kind: "link", "legacy", or "no".

    Raises:
        IncompleteError: a test of it failed there, or none was asked.
    """
    results = _results(row.tests, made)
    if not results:
        raise IncompleteError(f"{made.name}: the report has no test of {row.kind}")
    for result in results:
        if result.outcome == "failed":
            raise IncompleteError(f"{made.name}: {result.nodeid} failed")
    if _passed(row.by_link, made):
        return "link"
    return "legacy" if _passed(row.attaches, made) else "no"


def _passed(tests: Iterable[str], made: report.Report) -> bool:
    return any(result.outcome == "passed" for result in _results(tests, made))


def _results(tests: Iterable[str], made: report.Report) -> list[report.Result]:
    """The results of tests, with all of their parameters."""
    wanted = tuple(tests)
    return [result for result in made.results if result.nodeid.partition("[")[0] in wanted]


def notes(rows: Sequence[Row], reports: Sequence[report.Report]) -> list[str]:
    """What kernels lack by how they were built, in the words of tests/requirements.py: a line for each."""
    kinds: dict[str, dict[str, None]] = {}
    kernels: dict[str, dict[str, None]] = {}
    for made in reports:
        for row in rows:
            for words in sorted(_needs(row, made)):
                kinds.setdefault(words, {})[row.kind] = None
                kernels.setdefault(words, {})[column(made)] = None
    return [
        f"- {words}, for {', '.join(kinds[words])}: not on {', '.join(kernels[words])}." for words in kinds
    ]


def _needs(row: Row, made: report.Report) -> set[str]:
    """What the tests of a kind that a kernel does not attach wanted of it, beside a version."""
    if cell(row, made) != "no":
        return set()
    texts = (result.text.removeprefix("needs ") for result in _results(row.attaches, made))
    return {text.partition(" (found on: ")[0] for text in texts if " (found on: " in text}


def column(made: report.Report) -> str:
    """What a kernel is called in the table: the host by its version."""
    return made.name if made.name != "host" else ".".join(made.release.split(".")[:2])


def text(rows: Sequence[Row], reports: Sequence[report.Report]) -> str:
    """The page."""
    for made in reports:
        if made.trouble:
            raise IncompleteError(f"{made.name}: {made.trouble.splitlines()[0]}")
    lines = [
        ("", *map(column, reports)),
        *((row.kind, *(cell(row, made) for made in reports)) for row in rows),
    ]
    return _PAGE.format(table=_simple_table(lines), notes="\n".join(notes(rows, reports)))


_PAGE = """\
What attaches on which kernel
=============================

``make support-table`` makes this page from the reports of ``make test-kernels``: a cell is what a test has
shown on that kernel, with programs from an object, loaded alone, and from a pin, an id, an fd and an info.

*link*: by a link of the kernel. *legacy*: attached, and without a link: what lives and dies with an fd or a
socket by itself, what outlives the process with ``legacy=True`` (:doc:`attaching`). *no*: no test attaches it
there, since the kernel is too old, or lacks what the list below says that the tests need.

{table}

What tests need, and some of these kernels do not have:

{notes}
"""


def _simple_table(lines: Sequence[Sequence[str]]) -> str:
    """A table of reStructuredText. An empty first cell would continue the row above: it is a backslash."""
    shown = [[cell or "\\" for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    head, *body = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in shown
    )
    return "\n".join((rule, head, rule, *body, rule))


def read_reports(directory: Path) -> list[report.Report]:
    """The reports of the matrix and of the host, oldest kernel first."""
    names = [*(kernel.name for kernel in archive.KERNELS), "host"]
    missing = [name for name in names if not (directory / f"{name}.jsonl").exists()]
    if missing:
        raise IncompleteError(f"{directory} has no report of {', '.join(missing)}: `make test-kernels`")
    reports = [report.read(name, directory / f"{name}.jsonl") for name in names]
    return sorted(reports, key=lambda made: [int(part) for part in made.release.split(".")[:2]])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.kernels.support", description=__doc__)
    parser.add_argument("--reports", type=Path, default=REPORTS, metavar="DIR", help="where the reports are")
    options = parser.parse_args()
    try:
        TABLE.write_text(text(ROWS, read_reports(options.reports)))
    except IncompleteError as error:
        sys.exit(f"{error}")
    print(f"{TABLE.relative_to(CHECKOUT)} is made")


if __name__ == "__main__":
    main()
