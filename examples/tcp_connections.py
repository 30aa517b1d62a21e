# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Prints TCP connections with their addresses as they open, and with their age and bytes sent as they close.

Until Ctrl-C, or for --seconds. Needs root and Linux 5.8.
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
from typing import Any

import pylibbpf as bpf

OBJECT = Path(__file__).with_suffix(".bpf.o")
LINE = "{:<7} {:>7} {:<16} {:<22} {:<22} {:>9} {:>10}"


def main() -> None:
    options = parse_arguments()
    with bpf.Object.open(OBJECT) as obj:
        obj.variables["only_port"].value = options.port
        obj.load()
        obj.attach()
        with (
            contextlib.suppress(KeyboardInterrupt),
            bpf.RingBuffer(obj.maps["events"], "struct event") as events,
        ):
            print(LINE.format("EVENT", "PID", "COMMAND", "LOCAL", "REMOTE", "MS", "SENT"), flush=True)
            deadline = monotonic() + options.seconds
            while (left := deadline - monotonic()) > 0:
                for event in events.read_batch(timeout=left):
                    print(line(event), flush=True)


def line(event: Any) -> str:
    """What is printed of an event."""
    # Who accepts is not known yet when the kernel answers for it.
    pid, command = (event.pid, event.comm.decode(errors="replace")) if event.pid else ("-", "(incoming)")
    what = event.what.name
    return LINE.format(
        what, pid, command,
        address(event.family, event.local, event.local_port),
        address(event.family, event.remote, event.remote_port),
        f"{event.duration_ns / 1e6:.1f}" if what != "OPENED" else "",
        event.sent if what == "CLOSED" else "",
    ).rstrip()  # fmt: skip


def address(family: int, raw: Any, port: int) -> str:
    """An address and a port, as URLs have them."""
    if family == socket.AF_INET:
        return f"{socket.inet_ntop(socket.AF_INET, bytes(raw)[:4])}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, bytes(raw))}]:{port}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="only connections with this port at either end")
    parser.add_argument("--seconds", type=float, default=inf, help="end after so many")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except KeyboardInterrupt:  # before it began
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"tcp_connections: {error}\n  It needs root, and Linux 5.8 or newer with BTF.")
    except (bpf.Error, OverflowError) as error:
        sys.exit(f"tcp_connections: {error}")
