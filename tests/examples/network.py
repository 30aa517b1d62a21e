# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Two network namespaces with a cable between them, and datagrams that go from one to the other."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator

from tests.link.places import Namespace

NEAR, FAR = "10.99.0.1", "10.99.0.2"
DEVICE = "near0"
# What a datagram has before its payload: the headers of Ethernet, IPv4 and UDP.
HEADERS = 14 + 20 + 8


class Cable:
    """Two network namespaces and a pair of devices.

    Attributes:
        near: the namespace with the device `DEVICE` and the address `NEAR`, where the examples run.
        far: the other one, with the address `FAR`.
    """

    def __init__(self) -> None:
        self.near, self.far = Namespace(), Namespace()
        other = f"/proc/{os.getpid()}/fd/{self.far.fd}"
        for namespace, line in (
            (self.near, f"link add {DEVICE} type veth peer name far0 netns {other}"),
            (self.near, f"address add {NEAR}/24 dev {DEVICE}"),
            (self.far, f"address add {FAR}/24 dev far0"),
            (self.near, f"link set {DEVICE} up"),
            (self.far, "link set far0 up"),
        ):
            command = ["ip", *line.split()]
            namespace.run(lambda command=command: subprocess.run(command, check=True))  # type: ignore[misc]

    def enter_near(self) -> None:
        """Makes the near namespace that of the program that is executed next."""
        clone_newnet = 0x40000000
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(self.near.fd, clone_newnet):
            raise OSError(ctypes.get_errno(), "setns")

    def receiver(self) -> socket.socket:
        """A socket in the near namespace, bound to a port of its own."""
        own = self.near.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        own.bind((NEAR, 0))
        own.settimeout(20)
        return own

    def sender(self) -> socket.socket:
        """A socket in the far namespace, bound to a port of its own."""
        own = self.far.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        own.bind((FAR, 0))
        own.settimeout(20)
        return own

    def close(self) -> None:
        # The devices go with their namespaces.
        self.near.close()
        self.far.close()


@contextlib.contextmanager
def cable() -> Iterator[Cable]:
    """Two network namespaces with a cable between them."""
    own = Cable()
    try:
        yield own
    finally:
        own.close()


def is_empty(receiver: socket.socket) -> bool:
    """Whether nothing waits at a socket."""
    receiver.setblocking(False)
    try:
        receiver.recv(1)
    except BlockingIOError:
        return True
    finally:
        receiver.settimeout(20)
    return False
