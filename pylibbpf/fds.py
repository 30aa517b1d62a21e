# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Fds that callers hand in: by number, by an object that has one, or by path."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from ._native import open_fd
from .errors import BpfError, NotFoundError, PermissionDeniedError, from_errno
from .permissions import needs_sys_admin

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._native import Handle, StrPath


class HasFileno(Protocol):
    """Anything with an fd: a program, a map, a socket, a file."""

    def fileno(self) -> int: ...


def lend_fd(target: int | HasFileno) -> AbstractContextManager[int]:
    """The fd of an object, which cannot be closed meanwhile if it is one of this package."""
    if isinstance(target, int):
        fd = target
    elif (lend := getattr(target, "_fd_handle", None)) is not None:
        handle: Handle = lend()
        return handle
    elif hasattr(target, "fileno"):
        fd = target.fileno()
    else:
        raise TypeError(f"an fd, or an object with one, is wanted, not {type(target).__name__}")
    if isinstance(fd, bool) or not isinstance(fd, int):
        raise TypeError(f"an fd is an int, not {type(fd).__name__}")
    if fd < 0:
        raise ValueError(f"an fd is not negative: {fd}")
    return contextlib.nullcontext(fd)


def open_target(target: StrPath | int | HasFileno, operation: str) -> AbstractContextManager[int]:
    """The fd of what a program attaches to, a cgroup or a namespace, for the length of a call.

    Args:
        target: a path, which is opened and closed again; an fd; or an object with one.
        operation: what it is for, in error messages.

    Raises:
        NotFoundError: there is nothing at that path.
    """
    # Ints first: it takes a while to find out that they are no PathLike.
    if type(target) is int and target >= 0:
        return contextlib.nullcontext(target)
    if isinstance(target, int) or not isinstance(target, (str, bytes, os.PathLike)):
        return lend_fd(target)
    return _open(target, operation)


def open_by_id(function: Callable[..., Any], id: int, what: str) -> Handle:
    """The fd of a program, map or link that the kernel has under an id, in a handle.

    Args:
        function: the call_ wrapper of bpf_prog_get_fd_by_id or a sibling.
        id: the kernel's id.
        what: its kind in words, for errors.

    Raises:
        NotFoundError: there is none, or it is a link that is still being attached.
        PermissionDeniedError: the process lacks CAP_SYS_ADMIN.
    """
    operation, subject = f"open {what}", f"id {id}"
    try:
        return open_as_admin("Opening by id", function, id, operation=operation, subject=subject)
    except BpfError as error:
        # A link has an id before it is attached (kernel/bpf/syscall.c:bpf_link_by_id).
        if error.errno != errno.EAGAIN:
            raise
        raise NotFoundError(errno.EAGAIN, operation, subject, hint="It is not attached yet.") from None


def open_as_admin(
    what: str, function: Callable[..., Any], *arguments: Any, operation: str, subject: str | None = None
) -> Handle:
    """As `open_fd`, for what takes CAP_SYS_ADMIN: a refusal says so, and what that is, "Opening by id"."""
    try:
        return open_fd(function, *arguments, operation=operation, subject=subject)
    except PermissionDeniedError as error:
        error.hint = needs_sys_admin(what) or error.hint
        raise


@contextlib.contextmanager
def _open(target: StrPath, operation: str) -> Iterator[int]:
    try:
        fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise from_errno(error.errno or 0, operation, f"'{os.fsdecode(target)}'") from error
    try:
        yield fd
    finally:
        os.close(fd)
