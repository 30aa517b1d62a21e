# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Answers connections to many TCP ports on one listening socket, until Ctrl-C.

Needs root and Linux 5.9.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import socket
import sys
from pathlib import Path
from typing import IO

import pylibbpf as bpf
from pylibbpf.maps import HashMap, SockMap
from pylibbpf.programs import SkLookup

OBJECT = Path(__file__).with_suffix(".bpf.o")


def main() -> None:
    options = parse_arguments()
    with bpf.Object.open(OBJECT) as obj, options.netns.open("rb") as netns:
        obj.load()
        obj.map("ports", HashMap).update(dict.fromkeys(options.ports, 1))

        enter(netns)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            obj.map("listener", SockMap)[0] = listener
            with bpf.link.attach_netns(obj.program("steer", SkLookup), netns.fileno()):
                # The socket lookup program is active until the link closes.
                print(f"answering {len(options.ports)} ports in {options.netns}", flush=True)
                try:
                    serve(listener)
                except KeyboardInterrupt:
                    pass
        print("connections steered:", obj.variables["steered"].value)


def serve(listener: socket.socket) -> None:
    """Tells each client which port it connected to."""
    while True:
        connection, (client, _) = listener.accept()
        with connection:
            port = connection.getsockname()[1]
            print(f"{client} connected to port {port}", flush=True)
            with contextlib.suppress(ConnectionError):  # it may have left
                connection.sendall(f"This is port {port}.\n".encode())


def enter(netns: IO[bytes]) -> None:
    """Makes a network namespace this thread's, for the sockets it will make (os.setns since Python 3.12)."""
    clone_newnet = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(netns.fileno(), clone_newnet):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), netns.name)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ports", nargs="+", type=ports, metavar="PORT[-PORT]", help="whoever listens there")
    parser.add_argument(
        "--netns", type=namespace, default="/proc/self/ns/net", help="network namespace: a name or a path"
    )
    options = parser.parse_args()
    options.ports = {port for each in options.ports for port in each}
    return options


def ports(text: str) -> range:
    """The ports of "7000" or "7000-7009"."""
    first, _, last = text.partition("-")
    found = range(int(first), int(last or first) + 1)
    if not found or found[0] < 1 or found[-1] > 65535:
        raise ValueError(text)
    return found


def namespace(text: str) -> Path:
    """The path of a namespace; `ip netns` keeps those with names in /run/netns."""
    return Path(text if "/" in text else f"/run/netns/{text}")


if __name__ == "__main__":
    try:
        main()
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"sk_lookup: {error}\n  It needs root, and Linux 5.9 or newer with BTF.")
    except (bpf.Error, OSError) as error:
        sys.exit(f"sk_lookup: {error}")
