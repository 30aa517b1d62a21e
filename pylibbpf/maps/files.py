# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""FileMap: maps whose values are given as fds, of programs, maps, sockets, cgroups and the like."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn

from ..btf.codec import Codec, IntCodec
from ..errors import ENOTSUPP
from ..fds import lend_fd
from . import walk
from .elements import ElementMap
from .typevars import K, V


class FileMap(ElementMap[K, V]):
    """A map whose values are given as fds. Subclasses say what reading one gives, if it can be read."""

    _value_size = 4
    # What one may put there.
    _holds: ClassVar[str]

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

    def _hint(self, number: int, flags: int) -> str:
        if number in (errno.EBADF, errno.ENOTSOCK) or (number == errno.EINVAL and not flags):
            return f"It takes {self._holds}."
        return super()._hint(number, flags)

    def _fail(self, result: int, operation: str, flags: int = 0, hint: str = "") -> NoReturn:
        if result in (-errno.EOPNOTSUPP, -ENOTSUPP) and operation.startswith("look up"):
            hint = hint or "What is in such a map cannot be read back."
        super()._fail(result, operation, flags, hint)

    def _element_codecs(self) -> tuple[Codec, Codec]:
        # Maps of sockets may have values of 8 bytes, for the cookie that they read as.
        size = self._known_layout().transfer_size
        return super()._element_codecs()[0], IntCodec("an fd", size, signed=False)


class IdMap(FileMap[K, V]):
    """A map of fds that reads as the ids of what is in it, and can be walked."""

    def __iter__(self) -> Iterator[K]:
        """Every key that has something."""
        return iter(self.ids())

    def ids(self) -> dict[K, int]:
        """The ids of what is there, by key (bpf_map_get_next_key, bpf_map_lookup_elem)."""
        if self._ready is None:
            self._make_ready()
        found: dict[K, int] = {}
        for key in walk.keys(self):
            value = self._lookup_encoded(key, 0)
            if value is not None:
                found[self._key_codec.decode(key)] = int(self._value_codec.decode(value))
        return found
