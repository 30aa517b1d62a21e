# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Prints the host names that programs look up by getaddrinfo() of the C library: a uprobe and a uretprobe.

Until Ctrl-C, or for --seconds. Needs root and Linux 5.8; programs with a C library of their own do not show.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
from math import inf
from pathlib import Path
from time import monotonic

import pylibbpf as bpf
from pylibbpf.programs import UProbe, URetProbe

OBJECT = Path(__file__).with_suffix(".bpf.o")
# -2 is EAI_NONAME.
RESULTS = {value: name for name, value in vars(socket).items() if name.startswith("EAI_")} | {0: "found"}


def main() -> None:
    options = parse_arguments()
    with bpf.Object.open(OBJECT) as obj:
        obj.load()
        # The sections of both programs say which function it is; a path stands for that of libc.so.6.
        where = {} if options.libc is None else {"path": options.libc, "symbol": "getaddrinfo"}
        obj.program("on_return", URetProbe).attach(**where, pid=options.pid)
        obj.program("on_call", UProbe).attach(**where, pid=options.pid)

        with bpf.RingBuffer(obj.maps["lookups"], "struct lookup") as lookups:
            print(f"{'PID':>8} {'COMMAND':<16} {'RESULT':<13} {'TIME (ms)':>10} NAME", flush=True)
            deadline = monotonic() + options.seconds
            with contextlib.suppress(KeyboardInterrupt):
                while (left := deadline - monotonic()) > 0:
                    for lookup in lookups.read_batch(timeout=left):
                        command = lookup.comm.decode(errors="replace")
                        result = RESULTS.get(lookup.result, lookup.result)
                        name = lookup.name.decode(errors="replace")
                        milliseconds = lookup.duration_ns / 1e6
                        print(
                            f"{lookup.pid:8} {command:<16} {result:<13} {milliseconds:10.3f} {name}",
                            flush=True,
                        )
        if dropped := obj.variables["dropped"].value:
            print(f"name_lookups: {dropped} lookups found no place", file=sys.stderr)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid", type=int, help="of this process only")
    parser.add_argument(
        "--libc", metavar="PATH", help="a C library other than the system's, as of a container"
    )
    parser.add_argument("--seconds", type=float, default=inf, help="end after so many")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"name_lookups: {error}\n  It needs root, and Linux 5.8 or newer with BTF and uprobes.")
    except (bpf.Error, OverflowError) as error:
        sys.exit(f"name_lookups: {error}")
