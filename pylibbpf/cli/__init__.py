# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The command line: `python -m pylibbpf` and the script `pylibbpf`. A module for each command."""

from __future__ import annotations


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status.

    Args:
        arguments: what stands behind the program's name; by default that of the process.

    Returns:
        0 when it was done, 1 when it was not, 2 for a wrong command line, and as in a shell 130 after
        Ctrl-C and 141 when nobody reads the output.
    """
    from .running import run

    return run(arguments)
