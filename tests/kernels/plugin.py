# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The pytest plugin of the suite: the skip convention, and ``--report``.

A test that some kernel cannot run says so with a marker, so that the matrix can tell whether another can:

- ``@pytest.mark.kernel("5.15", "bpf_link for perf events")``: skipped on an older kernel;
- ``@pytest.mark.needs("fentry", "tracefs")``: skipped without these entries of tests/requirements.py;
- ``@pytest.mark.host("a property test of minutes")``: kept out of the guests.

Any other skip would hide a test from every kernel without a word, and is a failure.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Generator
from typing import Any, TextIO

import pytest

from tests import requirements

FORBIDDEN_SKIP = """\
A skip that no kernel lifts: {reason}
Use @pytest.mark.kernel, @pytest.mark.needs or tests.requirements.require: some kernel may have it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kernel matrix")
    group.addoption("--report", metavar="FILE", help="write the result of each test to FILE, as JSON lines")


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "kernel(version, words): needs this Linux version, 'major.minor', which brought what `words` say",
        "needs(name, ...): needs these entries of tests/requirements.py",
        "host(reason): runs on the host only, not in the guests of the kernel matrix",
    ):
        config.addinivalue_line("markers", line)
    if path := config.getoption("--report"):
        config.pluginmanager.register(Recorder(config, path), "kernel-matrix-recorder")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("kernel"):
        requirements.require_kernel(*marker.args)
    for marker in item.iter_markers("needs"):
        requirements.require(*marker.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    allowed = call.excinfo is not None and call.excinfo.errisinstance(requirements.Unmet)
    if report.skipped and not allowed and not hasattr(report, "wasxfail"):
        fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        fail(report)
    return report


def fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure."""
    report.longrepr = FORBIDDEN_SKIP.format(reason=reason_of(report))
    report.outcome = "failed"


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test was skipped."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


class Recorder:
    """Writes the report, one JSON object a line, each as soon as it is known: a guest may die at any time."""

    def __init__(self, config: pytest.Config, path: str) -> None:
        self.config = config
        self.file: TextIO = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed by pytest_unconfigure
        self.phases: list[pytest.TestReport] = []

    def write(self, event: str, **fields: Any) -> None:
        self.file.write(json.dumps({"event": event, **fields}) + "\n")
        self.file.flush()

    def pytest_sessionstart(self) -> None:
        options = self.config.option
        self.write(
            "start",
            release=platform.release(),
            time=time.time(),
            tests=self.config.args,
            selection=[options.keyword, options.markexpr],
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.write("test", nodeid=report.nodeid, outcome="failed", seconds=0, text=text_of(report))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.phases = []
        self.write("begin", nodeid=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.phases.append(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        outcome, text = "passed", ""
        for phase in self.phases:
            if phase.failed:
                outcome = "failed"
                text += text_of(phase)
            elif phase.skipped and outcome == "passed" and not hasattr(phase, "wasxfail"):
                outcome, text = "skipped", reason_of(phase)
        seconds = round(sum(phase.duration for phase in self.phases), 3)
        self.write("test", nodeid=nodeid, outcome=outcome, seconds=seconds, text=text)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.write("finish", status=int(exitstatus))

    def pytest_unconfigure(self) -> None:
        self.file.close()


def text_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return all that a failure has to say: the traceback and what the test printed and logged."""
    when = getattr(report, "when", "collect")
    sections = (f"\n---- {title}\n{contents}" for title, contents in report.sections)
    return ("" if when == "call" else f"in {when}:\n") + report.longreprtext + "".join(sections) + "\n"
