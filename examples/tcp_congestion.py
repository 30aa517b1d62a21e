# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Gives the kernel a TCP congestion control, "bpf_example", and prints the connections that it carried.

Sockets choose it by setsockopt(TCP_CONGESTION); with --try this program does, over the loopback interface.
Until Ctrl-C, or for --seconds. Needs root and a kernel with BPF trampolines (Linux 5.8).
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
from math import inf
from pathlib import Path
from time import monotonic

import pylibbpf as bpf
from pylibbpf.enums import LinkType, MapFlags
from pylibbpf.maps import StructOpsMap

OBJECT = Path(__file__).with_suffix(".bpf.o")
NAME = "bpf_example"
LINE = "{:>6} {:>6} {:>10} {:>8} {:>7} {:>7}"


def main() -> None:
    options = parse_arguments()
    by_link = bpf.features.has_link_type(LinkType.STRUCT_OPS)
    with bpf.Object.open(OBJECT) as obj:
        if not by_link:  # before Linux 6.4
            obj.maps["reno"].flags &= ~MapFlags.LINK
        obj.load()
        with (
            contextlib.suppress(KeyboardInterrupt),
            obj.map("reno", StructOpsMap).attach(legacy=not by_link),
            bpf.RingBuffer(obj.maps["events"], "struct event") as events,
        ):
            print(f"sockets can have {NAME}", flush=True)
            if options.try_bytes:
                print(send(options.try_bytes), flush=True)
            print(LINE.format("LOCAL", "REMOTE", "SENT", "PACKETS", "WINDOW", "LOSSES"), flush=True)
            deadline = monotonic() + options.seconds
            while (left := deadline - monotonic()) > 0:
                for event in events.read_batch(timeout=left):
                    ports = event.local_port, event.remote_port
                    packets = event.packets_acknowledged, event.largest_window, event.losses
                    print(LINE.format(*ports, event.bytes_sent, *packets), flush=True)


def send(size: int) -> str:
    """Sends so many bytes over a connection that has the congestion control."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, NAME.encode())
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            left = size
            while left:
                sent = client.send(bytes(min(left, 65536)))
                accepted.recv(sent, socket.MSG_WAITALL)
                left -= sent
        name = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()
    return f"sent {size} bytes with {name}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--try", type=int, dest="try_bytes", metavar="BYTES", help="send so many with it")
    parser.add_argument("--seconds", type=float, default=inf, help="end after so many")
    options = parser.parse_args()
    if options.try_bytes is not None and options.try_bytes < 1:
        parser.error("--try takes 1 byte or more")
    return options


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # before it began
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(
            f"tcp_congestion: {error}\n"
            "  It needs root, and a kernel with BTF and BPF trampolines: Linux 5.8 on x86-64, 6.0 on arm64."
        )
    except bpf.Error as error:
        sys.exit(f"tcp_congestion: {error}")
