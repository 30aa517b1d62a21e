# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The command line: python -m pylibbpf. So far what the build needs: the C dump of BTF."""

from __future__ import annotations

import argparse
import os
import sys

import pylibbpf as bpf


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m pylibbpf", description="Tools for BPF programs.")
    version = f"pylibbpf {bpf.__version__}, libbpf {bpf.libbpf_version()}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    btf = commands.add_parser("btf", help="kernel types").add_subparsers(
        dest="subcommand", required=True, metavar="COMMAND"
    )
    dump = btf.add_parser("dump", help="write types as C: vmlinux.h, or one type and what it needs")
    dump.add_argument("type", nargs="?", help='a type, as in "struct task_struct"; all by default')
    dump.add_argument("--file", help="a BTF or ELF file, by default the running kernel's types")
    options = parser.parse_args(arguments)
    try:
        btf_dump(options.type, options.file)
        sys.stdout.flush()
    except (bpf.Error, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read the output has seen enough. Python would complain again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


def btf_dump(type_name: str | None, file: str | None) -> None:
    """Writes one type, or all, of a file's BTF or of the kernel's, as C."""
    with bpf.Btf.from_file(file) if file else bpf.Btf.vmlinux() as btf:
        sys.stdout.write(btf.c_dump(type_name) if type_name else btf.c_dump())
