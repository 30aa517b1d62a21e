# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Two network namespaces with a cable between them, and datagrams that go from one to the other."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import subprocess
from collections.abc import Iterator

from tests.conftest import eventually
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
        enter(self.near)

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


def enter(namespace: Namespace) -> None:
    """Makes a namespace that of the program that is executed next."""
    clone_newnet = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace.fd, clone_newnet):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def cable() -> Iterator[Cable]:
    """Two network namespaces with a cable between them."""
    own = Cable()
    try:
        yield own
    finally:
        own.close()


def first_that_arrives(
    sender: socket.socket, payload: bytes, receiver: socket.socket
) -> tuple[bytes, tuple[str, int]]:
    """Sends until something arrives, and returns that with the address that it came from.

    Whoever lists the links of the machine opens each for a moment: one that its owner closes meanwhile acts
    until then.
    """

    def arrives() -> bool:
        sender.sendto(payload, receiver.getsockname())
        return bool(select.select([receiver], [], [], 0.1)[0])

    eventually(arrives)
    received: tuple[bytes, tuple[str, int]] = receiver.recvfrom(100)
    return received


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
