# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""btf show: how many types of which kind there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .btf_source import add_source, open_source
from .parser import add_json

if TYPE_CHECKING:
    import argparse

HELP = "count the types"
DESCRIPTION = "Shows how many types of each kind the BTF of the kernel, a module or a file has."
EXAMPLES = """
  {prog} btf show                       the kernel's
  {prog} btf show --file tool.bpf.o
  {prog} btf show --id 7 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from collections import Counter

    from .output import table, write_json

    with open_source(options) as btf:
        size = len(btf.to_bytes())
        kinds = Counter(of.kind.name for of in btf)
    if options.json:
        write_json({"bytes": size, "types": kinds.total(), "kinds": dict(kinds.most_common())})
        return
    table(["KIND", "TYPES"], [*kinds.most_common(), ("all", kinds.total())])
