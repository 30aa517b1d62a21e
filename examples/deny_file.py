# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Denies everybody, root too, to open one file, and prints who tried: a security policy by BPF LSM.

Until Ctrl-C, or for --seconds. Needs root and Linux 5.8 with "bpf" among its security modules (lsm=...,bpf).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from math import inf
from pathlib import Path
from time import monotonic

import pylibbpf as bpf
from pylibbpf.programs import Lsm

OBJECT = Path(__file__).with_suffix(".bpf.o")


def main() -> None:
    options = parse_arguments()
    file = options.file.stat()
    with bpf.Object.open(OBJECT) as obj:
        obj.variables["inode"].value = file.st_ino
        obj.variables["device"].value = os.major(file.st_dev) << 20 | os.minor(file.st_dev)
        program = obj.program("deny_open", Lsm)
        program.load()
        program.attach()
        # A kernel that was not told to use its BPF LSM takes the program and never runs it.
        if can_open(options.file):
            sys.exit("deny_file: the kernel does not ask BPF programs: boot it with bpf in lsm= (CONFIG_LSM)")

        with bpf.RingBuffer(obj.maps["denials"], "struct denial") as denials:
            denials.read_batch(timeout=0)  # that was this process
            print(f"nobody can open {options.file}\n{'PID':>8} {'UID':>6} COMMAND", flush=True)
            deadline = monotonic() + options.seconds
            with contextlib.suppress(KeyboardInterrupt):
                while (left := deadline - monotonic()) > 0:
                    for denial in denials.read_batch(timeout=left):
                        print(
                            f"{denial.pid:8} {denial.uid:6} {denial.comm.decode(errors='replace')}",
                            flush=True,
                        )
        print(f"denied {obj.variables['denied'].value - 1} times")


def can_open(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except PermissionError:
        return False


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="what nobody shall open, by any of its names")
    parser.add_argument("--seconds", type=float, default=inf, help="end after so many")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"deny_file: {error}\n  It needs root, and Linux 5.8 or newer with BTF and the BPF LSM.")
    except (bpf.Error, OSError) as error:
        sys.exit(f"deny_file: {error}")
