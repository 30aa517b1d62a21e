# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""btf dump: types as C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .btf_source import add_source, open_source

if TYPE_CHECKING:
    import argparse

HELP = "write types as C: vmlinux.h, or one type and what it needs"
DESCRIPTION = "Writes types as C: all of them, as bpftool makes vmlinux.h; or one, with what it needs."
EXAMPLES = """
  {prog} btf dump > vmlinux.h
  {prog} btf dump 'struct list_head'
  {prog} btf dump --file tool.bpf.o 'struct event'
  {prog} btf dump --module nf_tables
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("type", nargs="?", help='a type, as in "struct task_struct"; all by default')
    add_source(parser)


def run(options: argparse.Namespace) -> None:
    from .output import write_text

    with open_source(options) as btf:
        write_text(btf.c_dump(options.type) if options.type else btf.c_dump())
