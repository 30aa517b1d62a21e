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
from collections.abc import Sequence
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import pylibbpf as bpf

OBJECT = Path(__file__).with_suffix(".bpf.o")
# 80 columns, with the longest addresses of IPv4; those of IPv6 may go beyond.
LINE = "{:<6} {:>7} {:<10.10} {:>5} {:>4} {:<21} {}"
AGES = ((86400e9, "d"), (3600e9, "h"), (60e9, "m"), (1e9, "s"), (1e6, "ms"), (1e3, "us"), (1, "ns"))
SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K"), (1, ""))


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
            print(LINE.format("EVENT", "PID", "COMMAND", "AGE", "SENT", "LOCAL", "REMOTE"), flush=True)
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
        short(event.duration_ns, AGES) if what != "OPENED" else "-",
        short(event.sent, SIZES) if what == "CLOSED" else "-",
        address(event.family, event.local, event.local_port),
        address(event.family, event.remote, event.remote_port),
    )  # fmt: skip


def short(number: int, units: Sequence[tuple[float, str]]) -> str:
    """A number in the largest of its units that it fills, with two digits or more: 850us, 1.2s, 26s, 3.4h."""
    size, unit = next((each for each in units if number >= each[0]), units[-1])
    if number < 10 * size and size > 1:
        return f"{number * 10 // size / 10:.1f}{unit}"
    return f"{number // size:.0f}{unit}"


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
