# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The main job in one file: a BPF object, a global variable, typed events, an iterator.

Watches the processes that it starts itself, prints what the kernel says of them, then
lists all tasks by a BPF iterator. Ends by itself. Needs root.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pylibbpf as bpf
from pylibbpf.programs import Iter

OBJECT = Path(__file__).with_suffix(".bpf.o")
WORKLOAD = (["true"], ["sleep", "0"], ["sh", "-c", "exit 3"])


def main() -> int:
    with bpf.Object.open(OBJECT) as obj:
        obj.variables["parent_pid"].value = os.getpid()
        obj.load()
        obj.attach()

        print(f"{'TIME (ms)':>10}  {'PID':>7}  {'EVENT':<8} {'STATUS':>6}  COMMAND")
        with bpf.RingBuffer(obj.maps["events"], "struct event") as events:
            for command in WORKLOAD:
                subprocess.run(command, check=False)
            start = 0
            # Each command starts and ends: the loop knows how much it waits for.
            for event in islice(events, 2 * len(WORKLOAD)):
                start = start or event.time_ns
                status = "" if event.what.name == "STARTED" else event.exit_code
                print(
                    f"{(event.time_ns - start) / 1e6:10.2f}  {event.pid:7}  {event.what.name:<8} {status:>6}"
                    f"  {event.comm.decode()}"
                )
        started, ended = obj.variables["seen"].value
        print(f"{started} started, {ended} ended\n")

        with obj.program("list_tasks", Iter).attach() as link, link.open("r") as tasks:
            lines = tasks.read().splitlines()
        print("\n".join(lines[:6]))
        print(f"... {len(lines) - 1} tasks in all")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except bpf.Error as error:
        sys.exit(f"demo: {error}")
