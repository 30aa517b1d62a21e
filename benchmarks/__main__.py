# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""python -m benchmarks [NAME ...]: runs the benchmarks, prints their figures. Status 1: a limit is missed."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from . import report

NAMES = (
    "import_time",
    "extension_size",
    "object_load",
    "ring_buffer",
    "ring_buffer_steady",
    "attach",
    "iterator",
    "symbols",
    "maps",
    "variables",
    "btf_find",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all by default")
    parser.add_argument("--json", action="store_true", help="print every round, as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write docs/performance.md")
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(NAMES)}")
    sections: list[report.Section] = []
    for name in options.names or NAMES:
        section = report.measured(import_module(f".{name}", __package__))
        sections.append(section)
        if not options.json:
            print(report.table(section.figures), end="\n\n", flush=True)
        if options.page:
            options.page.write_text(report.page(sections))
    figures = [figure for section in sections for figure in section.figures]
    if options.json:
        facts = [vars(figure) | {"result": figure.result, "good": figure.good} for figure in figures]
        print(json.dumps(facts))
    return 0 if all(figure.good for figure in figures) else 1


sys.exit(main())
