# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Lists all tasks by a BPF iterator: process, thread, command. Needs root and Linux 5.8."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

import pylibbpf as bpf
from pylibbpf.programs import Iter

OBJECT = Path(__file__).with_suffix(".bpf.o")


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with bpf.Object.open(OBJECT) as obj, bpf.Btf.from_sys_fs() as btf:
        program = obj.program("iter_prog", Iter)
        program.load("task", btf)
        link = program.take_link(program.attach())
        with link.into_file("r") as lines:
            print(f"{'PID':>8} {'TID':>8} COMMAND")
            for line in lines:
                print(line, end="")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"iter_task: {error}\n  It needs root, and Linux 5.8 or newer with BTF.")
    except bpf.Error as error:
        sys.exit(f"iter_task: {error}")
