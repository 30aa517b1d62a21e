# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Shows the processes that made the most system calls: a tool on a skeleton.

Runs for `--seconds`, or until Ctrl-C. Needs root (CAP_BPF and CAP_PERFMON), and Linux 5.5.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import pylibbpf as bpf

from .busiest_skel import Busiest, Process


def main() -> int:
    parser = argparse.ArgumentParser(prog="busiest", description="Show who makes the most system calls.")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to count, by default 5")
    parser.add_argument("--top", type=int, default=10, help="how many processes to show, by default 10")
    options = parser.parse_args()
    try:
        with Busiest.open() as busiest:
            busiest.variables.ignored = os.getpid()
            busiest.load()
            busiest.attach()
            try:
                time.sleep(options.seconds)
            except KeyboardInterrupt:
                pass
            busiest.detach()
            show(dict(busiest.maps.processes), busiest.variables.total, options.top)
    except bpf.Error as error:
        print(f"busiest: {error}", file=sys.stderr)
        return 1
    return 0


def show(processes: dict[int, Process], total: int, top: int) -> None:
    """Prints a table."""
    print(f"{'PID':>8}  {'CALLS':>8}  NAME")
    busiest = sorted(processes.items(), key=lambda item: item[1].calls, reverse=True)
    for pid, process in busiest[:top]:
        print(f"{pid:>8}  {process.calls:>8}  {process.name.decode(errors='replace')}")
    print(f"{total} system calls in all")


if __name__ == "__main__":
    sys.exit(main())
