# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Fds that callers hand in: by number, by an object that has one, or by path."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from .errors import from_errno

if TYPE_CHECKING:
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
