# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Prints what came of the file names that the kernel was asked to look up: process, command, result, name.

Until Ctrl-C, or for --seconds. Needs root and a kernel with BPF trampolines (Linux 5.8).
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import signal
import sys
from math import inf
from pathlib import Path
from time import monotonic

import pylibbpf as bpf
from pylibbpf.programs import FEntry, FExit

OBJECT = Path(__file__).with_name("filename_lookup.bpf.o")


def main() -> None:
    options = parse_arguments()
    with bpf.Object.open(OBJECT) as obj, bpf.Btf.from_sys_fs() as btf:
        obj.variables["target_pid"].value = options.pid
        obj.variables["with_results"].value = True
        for program in obj.program("filename_lookup_exit", FExit), obj.program("filename_lookup", FEntry):
            program.load(options.function, btf)
            program.attach()

        with bpf.RingBuffer(obj.maps["events"], "struct event") as events:
            print(f"{'PID':>8} {'COMMAND':<16} {'RESULT':<12} NAME", flush=True)
            deadline = monotonic() + options.seconds
            with contextlib.suppress(KeyboardInterrupt):
                while (left := deadline - monotonic()) > 0:
                    for event in events.read_batch(timeout=left):
                        command = event.comm.decode(errors="replace")
                        name = event.filename.decode(errors="replace")
                        print(f"{event.pid:8} {command:<16} {shown(event.result):<12} {name}", flush=True)
        if lost := obj.variables["lost"].value:
            print(f"fexit_filename_lookup: {lost} names found no place", file=sys.stderr)


def shown(result: int) -> str:
    """0 for success, or the name of an error: ENOENT."""
    return errno.errorcode.get(-result, str(result))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid", type=int, default=0, help="of this process only")
    parser.add_argument("--seconds", type=float, default=inf, help="end after so many")
    parser.add_argument(
        "--function", default="filename_lookup", metavar="NAME",
        help="another function of the kernel whose second argument is a struct filename",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(
            f"fexit_filename_lookup: {error}\n"
            "  It needs root, and a kernel with BTF and BPF trampolines: Linux 5.8 on x86-64, 6.0 on arm64."
        )
    except (bpf.Error, OverflowError) as error:
        sys.exit(f"fexit_filename_lookup: {error}")
