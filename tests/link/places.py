# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Where the network programs of the tests attach: a cgroup, a network namespace, and sockets in them."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests import requirements
from tests.conftest import eventually

T = TypeVar("T")

# include/uapi/linux/sched.h, include/uapi/linux/sockios.h, include/uapi/linux/if.h
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


class Cgroup:
    """A cgroup of the tests' own below another, with sockets that belong to it.

    Attributes:
        path: its directory.
        sender: a UDP socket in it, connected to `receiver`.
        receiver: a UDP socket outside.
    """

    def __init__(self, parent: Path) -> None:
        self.path = new_cgroup(parent)
        self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.bind(("127.0.0.1", 0))
        self.receiver.settimeout(20)
        # A socket belongs to the cgroup that its maker is in at that moment.
        with self.inside():
            self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sender.connect(self.receiver.getsockname())

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Moves this process into the cgroup, and back."""
        own = Path("/proc/self/cgroup").read_text().partition("0::/")[2].splitlines()[0]
        (self.path / "cgroup.procs").write_text(str(os.getpid()))
        try:
            yield
        finally:
            (self.path.parent / own / "cgroup.procs").write_text(str(os.getpid()))

    def send(self) -> bool:
        """Sends a datagram out of the cgroup, and says whether it was let through."""
        try:
            self.sender.send(b"x")
        except PermissionError:
            return False
        assert self.receiver.recv(10) == b"x"
        return True

    def close(self) -> None:
        self.sender.close()
        self.receiver.close()
        eventually(self._is_removed)

    def _is_removed(self) -> bool:
        """Removes it, unless a thread that is still ending is in it."""
        try:
            self.path.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
        return True


def new_cgroup(parent: Path) -> Path:
    """Makes a cgroup that nobody else has."""
    return Path(tempfile.mkdtemp(prefix="pylibbpf-", dir=parent))


@pytest.fixture(scope="session")
def cgroup_file_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cgroup v2 hierarchy."""
    requirements.require("root", "cgroup2")
    path = tmp_path_factory.mktemp("cgroup2")
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def own_cgroup(cgroup_file_system: Path) -> Iterator[Cgroup]:
    """An empty cgroup."""
    cgroup = Cgroup(cgroup_file_system)
    yield cgroup
    cgroup.close()


class Namespace:
    """A network namespace of the tests' own, with its loopback interface up.

    Attributes:
        fd: it.
    """

    def __init__(self) -> None:
        self.fd = _in_thread(_new_namespace)

    def run(self, function: Callable[[], T]) -> T:
        """Calls a function inside. A socket that it makes stays there."""

        def inside() -> T:
            _libc("setns", self.fd, _CLONE_NEWNET)
            return function()

        return _in_thread(inside)

    def close(self) -> None:
        os.close(self.fd)


def _new_namespace() -> int:
    _libc("unshare", _CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _in_thread(function: Callable[[], T]) -> T:
    """Calls a function in a thread of its own: namespaces are a thread's (setns(2))."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _libc(function: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), function)


@pytest.fixture(scope="session")
def namespace() -> Iterator[Namespace]:
    """A network namespace."""
    requirements.require("root")
    own = Namespace()
    yield own
    own.close()


class Connection:
    """A TCP connection over loopback: what `client` sends, `server` gets."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.server, _ = listener.accept()
        for end in (self.client, self.server):
            end.settimeout(20)

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A TCP connection."""
    own = Connection()
    yield own
    own.close()


@contextlib.contextmanager
def on_one_cpu() -> Iterator[int]:
    """Keeps this thread on one CPU, whose number it gives, and lets it go where it could be before.

    Over loopback packets arrive in the order in which they were sent only if one CPU sent them: each has a
    queue of its own (net/core/dev.c:enqueue_to_backlog).
    """
    allowed = os.sched_getaffinity(0)
    cpu = min(allowed)
    os.sched_setaffinity(0, {cpu})
    try:
        yield cpu
    finally:
        os.sched_setaffinity(0, allowed)


class Datagrams:
    """Two UDP sockets in a network namespace, connected over its loopback interface.

    Attributes:
        namespace: it.
        port: where they are sent to.
    """

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self._receiver = namespace.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._receiver.bind(("127.0.0.1", 0))
        self._receiver.setblocking(False)
        self._follower = namespace.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._follower.bind(("127.0.0.1", 0))
        self._follower.settimeout(20)
        self._sender = namespace.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.port: int = self._receiver.getsockname()[1]

    def send(self) -> bool:
        """Sends a datagram, and says whether it arrived: one to another port follows it and is waited for."""
        with on_one_cpu():
            with contextlib.suppress(PermissionError):  # a drop on the way out
                self._sender.sendto(b"datagram", ("127.0.0.1", self.port))
            self._sender.sendto(b"behind it", self._follower.getsockname())
        assert self._follower.recv(100) == b"behind it"
        try:
            return self._receiver.recv(100) == b"datagram"
        except BlockingIOError:
            return False

    def close(self) -> None:
        for sock in (self._receiver, self._follower, self._sender):
            sock.close()


@pytest.fixture(scope="session")
def datagrams(namespace: Namespace) -> Iterator[Datagrams]:
    """A way for packets over the loopback interface of a namespace."""
    own = Datagrams(namespace)
    yield own
    own.close()
