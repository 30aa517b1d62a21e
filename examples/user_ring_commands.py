# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Tells a running BPF program what to do by a user ring buffer: typed commands from Python to the kernel.

Reads commands from its input, a line each: "watch PID" counts the system calls of a process, "forget PID"
stops that, "show" prints the counts. Until the input ends, or Ctrl-C. Needs root and Linux 6.1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pylibbpf as bpf
from pylibbpf.maps import HashMap
from pylibbpf.programs import Syscall

OBJECT = Path(__file__).with_suffix(".bpf.o")


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with bpf.Object.load_file(OBJECT) as obj:
        obj.attach()
        watched, program = obj.map("watched", HashMap), obj.program("obey", Syscall)
        with bpf.UserRingBuffer(obj.maps["commands"], "struct command") as commands:
            print("watch PID, forget PID, show:", flush=True)
            for line in sys.stdin:
                match line.split():
                    case [("watch" | "forget") as action, pid] if pid.isdecimal():
                        try:
                            with commands.reserve() as command:
                                command.action, command.pid = action.upper(), int(pid)
                        except OverflowError:
                            print(f"not a process: {pid}", flush=True)
                            continue
                        print(f"{program.test_run().return_value} command obeyed", flush=True)
                    case ["show"]:
                        show(watched)
                    case _:
                        print(f"not a command: {line.rstrip()}", flush=True)


def show(watched: HashMap[int, int]) -> None:
    """Prints the count of each process."""
    print(f"{'PID':>8} {'SYSTEM CALLS':>12}")
    for pid, calls in sorted(watched.items()):
        print(f"{pid:8} {calls:12}")
    print(f"{len(watched)} watched", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"user_ring_commands: {error}\n  It needs root, and Linux 6.1 or newer with BTF.")
    except bpf.Error as error:
        sys.exit(f"user_ring_commands: {error}")
