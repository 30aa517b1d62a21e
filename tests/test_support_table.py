# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The table of kinds and kernels in the manual, and what it is made of."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import archive, support
from tests.kernels.report import Report, Result
from tests.link.harness import AttachmentConformance

pytestmark = pytest.mark.host("about the manual")

ROW = support.conforms("fentry", "tracing::TestFEntry")
FIRES = "tests/link/test_tracing.py::TestFEntry::test_it_fires_until_it_is_closed[object]"
TELLS = "tests/link/test_tracing.py::TestFEntry::test_the_kernel_tells_what_was_asked[object]"


def made(name: str = "6.12", text: str = "", **outcomes: str) -> Report:
    """A report of two tests, by what they show."""
    tests = {"fires": FIRES, "tells": TELLS}
    results = [Result(tests[test], outcome, 0.1, text) for test, outcome in outcomes.items()]
    return Report(name, "6.12.1", results=results)


@pytest.mark.parametrize(
    ("fires", "tells", "expected"),
    [("passed", "passed", "link"), ("passed", "skipped", "legacy"), ("skipped", "skipped", "no")],
)
def test_a_cell_is_what_the_tests_have_shown(fires: str, tells: str, expected: str) -> None:
    assert support.cell(ROW, made(fires=fires, tells=tells)) == expected


def test_no_table_is_made_of_what_failed_or_was_not_asked() -> None:
    with pytest.raises(support.IncompleteError, match=r"6\.12: .*TestFEntry.*\[object\] failed"):
        support.text([ROW], [made(fires="failed", tells="passed")])
    with pytest.raises(support.IncompleteError, match="has no test of fentry"):
        support.text([ROW], [made()])
    broken = made(fires="passed")
    broken.trouble = "did not boot\nlast words"
    with pytest.raises(support.IncompleteError, match=r"6\.12: did not boot$"):
        support.text([ROW], [broken])


def test_the_page_has_a_column_for_each_kernel_and_says_what_a_kernel_was_built_without() -> None:
    old = made("5.10", "needs links of FEntry, since Linux 5.11; this is 5.10.0", fires="skipped")
    host = made("host", "needs BPF trampolines (fentry) (found on: 6.12)", fires="skipped")
    host.release = "6.18.44-some"
    page = support.text([ROW], [old, made(fires="passed", tells="passed"), host])
    assert "\\       5.10  6.12  6.18\n" in page
    assert "\nfentry  no    link  no\n" in page
    assert page.endswith("do not have:\n\n- BPF trampolines (fentry), for fentry: not on 6.18.\n")


def test_reports_that_are_not_there_are_named(tmp_path: Path) -> None:
    for kernel in archive.KERNELS:
        (tmp_path / f"{kernel.name}.jsonl").touch()
    with pytest.raises(support.IncompleteError, match="has no report of host: `make test-kernels`"):
        support.read_reports(tmp_path)


def conformance_classes() -> Iterator[str]:
    """Every class that the harness tests, as its tests are called."""
    directory = Path(__file__).parent / "link"
    for path in sorted(directory.glob("test_*.py")):
        module = importlib.import_module(f"tests.link.{path.stem}")
        for name, found in vars(module).items():
            if (
                name.startswith("Test")
                and isinstance(found, type)
                and issubclass(found, AttachmentConformance)
            ):
                yield f"tests/link/{path.name}::{name}::{support.ATTACHES}"


def test_every_kind_of_the_harness_has_a_row() -> None:
    shown = [test for row in support.ROWS for test in row.attaches]
    assert sorted(test for test in shown if "::Test" in test) == sorted(conformance_classes())


def test_the_manual_has_all_rows_and_kernels() -> None:
    lines = support.TABLE.read_text().splitlines()
    first, second, last = (
        index for index, line in enumerate(lines) if line.startswith("===") and "  " in line
    )
    assert lines[first + 1].split()[1:] == ["5.10", "6.1", "6.12", "6.18", "7.x"]
    assert [line.partition("  ")[0] for line in lines[second + 1 : last]] == [
        row.kind for row in support.ROWS
    ]
