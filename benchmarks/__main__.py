# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""python -m benchmarks [NAME ...]: runs the benchmarks, prints one table. Status 1 if a limit is missed."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib import import_module

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
HEADER = ["", "pylibbpf", "beside", "result", "spread", "limit", ""]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all by default")
    parser.add_argument("--json", action="store_true", help="print every round, as JSON")
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(NAMES)}")
    figures = [
        figure
        for name in options.names or NAMES
        for figure in import_module(f".{name}", __package__).figures()
    ]
    if options.json:
        print(
            json.dumps([vars(figure) | {"result": figure.result, "good": figure.good} for figure in figures])
        )
    else:
        rows = [HEADER, *(figure.row() for figure in figures)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
        print(f"Python {platform.python_version()}, Linux {platform.release()}; medians")
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0 if all(figure.good for figure in figures) else 1


sys.exit(main())
