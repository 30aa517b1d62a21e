# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Prints the programs that are executed, with their arguments, and the processes that end, with their status.

Two types of event come through one ring buffer. Until Ctrl-C, or for --seconds. Needs root and Linux 5.8.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import pylibbpf as bpf

OBJECT = Path(__file__).with_suffix(".bpf.o")
# By the event's own member `kind`.
TYPES = {"EXEC": "struct exec", "EXIT": "struct exit"}


def main() -> None:
    options = parse_arguments()
    with bpf.Object.open(OBJECT) as obj:
        obj.variables["parent_pid"].value = options.parent
        obj.load()
        obj.attach()

        with bpf.RingBuffer(obj.maps["events"], TYPES, discriminator="event.kind") as events:
            print(f"{'PID':>8} {'PARENT':>8} {'UID':>6} {'EVENT':<5} {'COMMAND':<16} DETAILS", flush=True)
            deadline = monotonic() + options.seconds
            with contextlib.suppress(KeyboardInterrupt):
                while (left := deadline - monotonic()) > 0:
                    for event in events.read_batch(timeout=left):
                        print(line(event), flush=True)
        if dropped := obj.variables["dropped"].value:
            print(f"process_events: {dropped} events found no place", file=sys.stderr)


def line(event: Any) -> str:
    """What happened, in columns."""
    head, kind = event.event, event.event.kind.name
    details = (
        arguments(event)
        if kind == "EXEC"
        else f"{ending(event.status)} after {event.lifetime_ns / 1e9:.3f} s"
    )
    command = head.comm.decode(errors="replace")
    return f"{head.pid:8} {head.parent:8} {head.uid:6} {kind.lower():<5} {command:<16} {details}"


def arguments(event: Any) -> str:
    """The command line, as a shell takes it."""
    words = bytes(event.arguments)[: event.size].removesuffix(b"\0").split(b"\0")
    return shlex.join(word.decode(errors="backslashreplace") for word in words)


def ending(status: int) -> str:
    """How a process ended, from its status."""
    if os.WIFSIGNALED(status):
        return f"killed by signal {os.WTERMSIG(status)} ({signal.strsignal(os.WTERMSIG(status))})"
    return f"exit status {os.WEXITSTATUS(status)}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parent", type=int, default=0, metavar="PID", help="children of this process only")
    parser.add_argument("--seconds", type=float, default=inf, help="end after so many")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"process_events: {error}\n  It needs root, and Linux 5.8 or newer with BTF.")
    except (bpf.Error, OverflowError) as error:
        sys.exit(f"process_events: {error}")
