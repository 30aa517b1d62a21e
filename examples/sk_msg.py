# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Intercepts what a TCP client sends, before the network sees it: drops it or, with --redirect, gives it to
another socket. Server and client are this process's own. Needs root and Linux 4.18.
"""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

import pylibbpf as bpf
from pylibbpf.maps import SockHash
from pylibbpf.programs import SkMsg

OBJECT = Path(__file__).with_suffix(".bpf.o")
# Keys of the map: any number but 0, which the program takes for none.
CLIENT, OTHER = 1234, 1235


def main() -> None:
    options = parse_arguments()
    with bpf.Object.open(OBJECT) as obj:
        obj.variables["redirect_to"].value = OTHER if options.redirect else 0
        intercept_egress = obj.map("INTERCEPT_EGRESS", SockHash)
        program = obj.program("intercept_egress_packet", SkMsg)
        program.load()
        attach(program, intercept_egress)

        with (
            socket.create_server(("127.0.0.1", options.port)) as server,
            socket.create_connection(server.getsockname()) as client,
            server.accept()[0] as accepted,
            socket.create_connection(server.getsockname()) as other,
        ):
            client.sendall(b"hello")
            print("the server received", accepted.recv(100))

            intercept_egress[CLIENT] = client
            intercept_egress[OTHER] = other
            try:
                client.sendall(b"foo")  # is intercepted
                print("sent b'foo'")
            except PermissionError:
                print("could not send b'foo': dropped")
            if options.redirect:
                print("another socket received", other.recv(100))

            client.shutdown(socket.SHUT_WR)
            print("the server received", accepted.recv(100) or "nothing more")
        print("messages intercepted:", obj.variables["intercepted"].value)


def attach(program: SkMsg, sockets: SockHash[int]) -> None:
    """Attaches by a link, which Linux has since 6.10, or else in the old way, until the map is gone."""
    try:
        program.attach(sockets)
    except bpf.NotSupportedError:
        program.attach(sockets, legacy=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="that the server listens on; any by default")
    parser.add_argument("--redirect", action="store_true", help="do not drop what the client sends")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"sk_msg: {error}\n  It needs root, and Linux 4.18 or newer with BTF.")
    except (bpf.Error, OSError, OverflowError) as error:
        sys.exit(f"sk_msg: {error}")
