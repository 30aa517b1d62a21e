# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on one socket, or on a group of sockets of one port: attached by setsockopt(2)."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from typing import TYPE_CHECKING

from ..enums import ProgramType
from ..errors import BpfError, ClosedError, NotSupportedError, from_errno
from ..fds import lend_fd
from .attachment import LinkOrAttachment, hold
from .create import require_program

if TYPE_CHECKING:
    from ..fds import HasFileno
    from .create import Attachable

# SO_ATTACH_BPF and SO_DETACH_BPF, SO_ATTACH_REUSEPORT_EBPF and SO_DETACH_REUSEPORT_BPF of
# include/uapi/asm-generic/socket.h, which is that of all architectures but MIPS, PA-RISC and SPARC.
_FILTER = 50, 27
_REUSEPORT = 52, 68


class SocketAttachment(LinkOrAttachment):
    """A program on a socket. The kernel has no links for it: `is_bpf_link` is False.

    It goes with the socket. Closing it detaches the program, unless the socket was closed before.
    """

    def _no_link(self, operation: str) -> NotSupportedError:
        return NotSupportedError(
            errno.EOPNOTSUPP,
            f"{operation} a program on a socket",
            hint="The kernel has no links for programs on sockets: they belong to the socket.",
        )


def attach_socket_filter(program: Attachable, sock: socket.socket | HasFileno | int) -> SocketAttachment:
    """Attaches a program to a socket, in the place of another filter: it says how much of a packet is kept.

    Args:
        program: a loaded `SocketFilter`, of any origin.
        sock: a `socket.socket`, or the fd of one.

    Returns:
        What detaches the filter of the socket when it is closed. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type.
        TypeError: it is no socket.
        BpfError: the kernel refused, because the filter of the socket is locked for instance.

    Kernel: SO_ATTACH_BPF (3.19).
    """
    require_program(program, ProgramType.SOCKET_FILTER)
    return _attach(program, sock, _FILTER, "The filter of a socket can be locked (SO_LOCK_FILTER).")


def attach_reuseport(program: Attachable, sock: socket.socket | HasFileno | int) -> SocketAttachment:
    """Attaches a program that chooses among the sockets that share a port (SO_REUSEPORT).

    Args:
        program: a loaded `SkReuseport` or `SocketFilter`, of any origin.
        sock: one of the sockets, or its fd: the program is for all of them.

    Returns:
        What detaches the program of the group when it is closed (5.3). The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type.
        TypeError: it is no socket.
        BpfError: the kernel refused: the socket has no SO_REUSEPORT.

    Kernel: SO_ATTACH_REUSEPORT_EBPF (4.5; SkReuseport 4.19).
    """
    require_program(program, ProgramType.SK_REUSEPORT, ProgramType.SOCKET_FILTER)
    return _attach(program, sock, _REUSEPORT, "The socket needs SO_REUSEPORT, set before it is bound.")


class _OnSocket:
    """What the handle of such an attachment holds: the socket, and how to detach."""

    def __init__(self, sock: socket.socket, owned: bool, attach_option: int, detach_option: int) -> None:
        self._socket = sock
        self._owned = owned  # made here, of the fd that the caller gave
        self._options = attach_option, detach_option
        self.error: BpfError | None = None
        self.attached = False

    def attach(self, program_fd: int) -> int:
        """Attaches a program, in the place of another. Returns 0 or -errno."""
        return self._set(self._options[0], program_fd)

    def end(self) -> None:
        """Detaches it, unless the socket was closed. The handle calls it once, after the last borrow."""
        try:
            if self.attached and self._socket.fileno() >= 0:
                result = self._set(self._options[1], 0)
                # Somebody else has detached it; the kernel cannot detach from groups (before 5.3).
                if result < 0 and result not in (-errno.ENOENT, -errno.ENOPROTOOPT):
                    self.error = from_errno(-result, "detach", "a program from a socket")
        finally:
            if self._owned:
                self._socket.close()

    def fds(self) -> list[int]:
        return [self._socket.detach()] if self._owned else []

    def replace(self, program_fd: int, old_id: int | None) -> None:
        """Attaches another program in its place."""
        if old_id is not None:
            raise ValueError("the kernel does not tell which program a socket has")
        if (result := self.attach(program_fd)) < 0:
            raise from_errno(-result, "update", "a program on a socket")

    def _set(self, option: int, value: int) -> int:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, option, value)
        except OSError as error:
            return -(error.errno or errno.EINVAL)
        return 0


def _attach(
    program: Attachable, target: socket.socket | HasFileno | int, options: tuple[int, int], hint: str
) -> SocketAttachment:
    operation = f"attach program '{program.name}' to"
    with program._fd_handle() as program_fd:
        sock, owned = _socket_of(target)
        attachment = _OnSocket(sock, owned, *options)

        def attach() -> None:
            if (result := attachment.attach(program_fd)) < 0:
                raise from_errno(-result, operation, repr(target), hint=hint)

        handle = hold(attachment, attach)
    return SocketAttachment._of_attachment(handle)


def _socket_of(target: socket.socket | HasFileno | int) -> tuple[socket.socket, bool]:
    """A socket to set options of: the caller's, or one of a duplicate of the caller's fd."""
    if isinstance(target, socket.socket):
        if target.fileno() < 0:
            raise ClosedError("the socket is closed")
        return target, False
    with lend_fd(target) as fd:
        duplicate = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        return socket.socket(fileno=duplicate), True
    except OSError as error:
        os.close(duplicate)
        raise TypeError(f"{target!r} is no socket") from error
