# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Storage that lives with a task, socket, inode or cgroup, and goes with it."""

from __future__ import annotations

import errno
from typing import Any, ClassVar

from ..btf.codec import Codec, IntCodec
from ..enums import MapFlags, MapType
from ..fds import HasFileno, lend_fd
from .elements import ElementMap
from .typevars import V

_FD = IntCodec("an fd", 4, signed=False)


class _LocalStorage(ElementMap[Any, V]):
    """What all local storage has in common: the key is an fd of what the value belongs to.

    It cannot be walked by system calls; iterators (`bpf_sk_storage_map` and its like) can.
    """

    _key_size = 4
    _create_flags = MapFlags.NO_PREALLOC
    _pop_hint = "Look up and then delete."
    # What a key is.
    _belongs_to: ClassVar[str]

    def _hint(self, number: int, flags: int) -> str:
        if number in (errno.EBADF, errno.ENOTSOCK, errno.ESRCH) or (number == errno.EINVAL and not flags):
            return f"A key is {self._belongs_to}."
        return super()._hint(number, flags)

    def _element_codecs(self) -> tuple[Codec, Codec]:
        return _FD, super()._element_codecs()[1]

    @classmethod
    def _default_max_entries(cls) -> int:
        return 0

    def __getitem__(self, key: int | HasFileno) -> V:
        """The value of what an fd, or an object with one, stands for. KeyError if it has none."""
        with lend_fd(key) as fd:
            return super().__getitem__(fd)

    def __contains__(self, key: object) -> bool:
        with lend_fd(key) as fd:  # type: ignore[arg-type]
            return super().__contains__(fd)

    def lookup(self, key: int | HasFileno, flags: int = 0) -> V | None:
        """The value of what an fd, or an object with one, stands for; None if it has none."""
        with lend_fd(key) as fd:
            return super().lookup(fd, flags)

    def put(self, key: int | HasFileno, value: V, flags: int = 0) -> None:
        """Writes the value of what an fd, or an object with one, stands for (bpf_map_update_elem)."""
        with lend_fd(key) as fd:
            super().put(fd, value, flags)

    __setitem__ = put

    def delete(self, key: int | HasFileno, flags: int = 0) -> None:
        """Deletes the value of what an fd, or an object with one, stands for. KeyError if it has none."""
        with lend_fd(key) as fd:
            super().delete(fd, flags)


class TaskStorage(_LocalStorage[V]):
    """A value for each task: `map[pidfd]`, with the fd of `os.pidfd_open`. Kernel: 5.11."""

    _type = MapType.TASK_STORAGE
    _belongs_to = "a pidfd of a living process, as os.pidfd_open() gives it"


class SockStorage(_LocalStorage[V]):
    """A value for each socket: `map[socket]`. Kernel: 5.2."""

    _type = MapType.SK_STORAGE
    _belongs_to = "a socket, or its fd"


class InodeStorage(_LocalStorage[V]):
    """A value for each inode: `map[file]`, with any fd of the file. Kernel: 5.10."""

    _type = MapType.INODE_STORAGE
    _belongs_to = "an open file, or its fd"


class CgroupStorage(_LocalStorage[V]):
    """A value for each cgroup: `map[fd]`, with an fd of its directory. Kernel: 6.2."""

    _type = MapType.CGRP_STORAGE
    _belongs_to = "an fd of a directory of cgroup v2"
