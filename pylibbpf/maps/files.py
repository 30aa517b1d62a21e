# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""FileMap: maps whose values are given as fds, of programs, maps, sockets, cgroups and the like."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from ..btf.codec import Codec, IntCodec
from .elements import ElementMap
from .typevars import K, V

if TYPE_CHECKING:
    from .._native import Handle


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
    else:
        fd = target.fileno()
    if isinstance(fd, bool) or not isinstance(fd, int):
        raise TypeError(f"an fd is an int, not {type(fd).__name__}")
    if fd < 0:
        raise ValueError(f"an fd is not negative: {fd}")
    return contextlib.nullcontext(fd)


class FileMap(ElementMap[K, V]):
    """A map whose values are given as fds. Subclasses say what reading one gives, if it can be read."""

    _value_size = 4

    def put(self, key: K, value: Any, flags: int = 0) -> None:
        """Puts something into the map, which then keeps it alive.

        Args:
            key: the key.
            value: an fd, or an object with one.
            flags: `UpdateFlags`.

        Raises:
            KeyError, ExistsError: as for other maps.
            BpfError: EBADF or EINVAL when the fd is not of what the map holds.

        libbpf: bpf_map_update_elem.
        """
        with lend_fd(value) as fd:
            super().put(key, fd, flags)  # type: ignore[arg-type]

    __setitem__ = put

    def _element_codecs(self) -> tuple[Codec, Codec]:
        # Maps of sockets may have values of 8 bytes, for the cookie that they read as.
        size = self._known_layout().transfer_size
        return super()._element_codecs()[0], IntCodec("an fd", size, signed=False)
