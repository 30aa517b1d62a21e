# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/prometheus_exporter.py: metrics for Prometheus, and a page for a browser."""

from __future__ import annotations

import subprocess
import urllib.request
from html.parser import HTMLParser
from urllib.error import HTTPError

import pytest

from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running

pytestmark = [
    pytest.mark.needs("root", "vmlinux_btf", "prometheus_client"),
    pytest.mark.host("the guests go without prometheus_client"),
]


def fetch(url: str) -> tuple[str, str]:
    """The type and the text of a page."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.headers.get_content_type(), answer.read().decode()


class Tables(HTMLParser):
    """A page's tables: their rows, and the cells of these."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.inside = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.inside = tag in ("td", "th")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif self.inside:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.tables[-1][-1][-1] += data


def test_it_serves_metrics_and_a_page() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    with running("prometheus_exporter", "--port", 0) as process:
        url = line_with(process, "serving").split()[1]
        for _ in range(3):
            subprocess.run(["/bin/true"], check=True)
        kind, text = fetch(url + "metrics")
        assert kind == "text/plain"
        families = {family.name: family for family in text_string_to_metric_families(text)}

        started = families["kernel_programs_started"]
        assert started.type == "counter"
        counts = {sample.labels["command"]: sample.value for sample in started.samples}
        assert counts["true"] >= 3

        waits = families["kernel_cpu_wait_seconds"]
        assert waits.type == "histogram"
        samples = {sample.name.rpartition("_")[2]: sample for sample in waits.samples}
        buckets = [
            (float(sample.labels["le"]), sample.value)
            for sample in waits.samples
            if sample.name.endswith("bucket")
        ]
        assert buckets == sorted(buckets)
        assert buckets[-1] == (float("inf"), samples["count"].value)
        assert buckets[-1][1] > 0
        assert samples["sum"].value > 0

        kind, page = fetch(url)
        assert kind == "text/html"
        programs, _ = Tables(page).tables
        assert programs[0] == ["Command", "Count"]
        shown = {command: int(count) for command, count in programs[1:]}
        if "true" in shown:
            assert shown["true"] >= 3
        else:  # others start more programs: it has the most frequent ones
            assert len(programs[1:]) == 20
            assert min(shown.values()) >= 3
        with pytest.raises(HTTPError, match="404"):
            fetch(url + "nothing")
        assert interrupt(process) == ""


@pytest.mark.host("it is about the server")
def test_ctrl_c_while_it_answers_ends_it() -> None:
    for _ in range(3):  # the answer is read before the server has done with it, and so most often meanwhile
        with running("prometheus_exporter", "--port", 0) as process:
            fetch(line_with(process, "serving").split()[1] + "metrics")
            assert interrupt(process) == ""


def test_without_rights_it_says_which_it_needs() -> None:
    done = run("prometheus_exporter", preexec=give_up_rights)
    assert_advises(done, "prometheus_exporter", "It needs root")
