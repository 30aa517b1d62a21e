# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Which BTF a command reads: the kernel's, a module's, a file's, or that of an id."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from ..btf import Btf


def add_source(parser: argparse.ArgumentParser) -> None:
    """The options that say which BTF to read."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--file", help="a BTF or ELF file, by default the running kernel's types")
    source.add_argument("--module", metavar="NAME", help="a module of the kernel")
    source.add_argument("--id", type=int, help="BTF of this id, as `btf list` shows it")


def open_source(options: argparse.Namespace) -> Btf:
    """The BTF that the options name. A module's comes with the kernel's below it."""
    from ..btf import Btf
    from ..maps.codecs import _kernel_btf

    if options.file is not None:
        return Btf.from_file(options.file)
    if options.module is not None:
        return Btf.module(options.module)
    if options.id is not None:
        return _kernel_btf(options.id)
    return Btf.vmlinux()
