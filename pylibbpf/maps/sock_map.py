# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Maps of sockets: BPF_MAP_TYPE_SOCKMAP and BPF_MAP_TYPE_SOCKHASH."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from ..enums import MapType
from ..errors import BpfError, NotSupportedError
from .array import INDEX, SparseArray
from .files import FileMap
from .keyvalue import KeyValueMap
from .typevars import K

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ..fds import HasFileno

# net/core/sock_map.c:sock_map_sk_is_suitable and sock_map_sk_state_allowed
_REFUSED = {
    errno.EOPNOTSUPP: "A map takes TCP sockets that are connected, or listen, and UDP sockets that are "
    "bound; Unix sockets since Linux 5.15, stream sockets among them once connected, and connected "
    "VM sockets since 6.4.",
    errno.ENOTSOCK: "The fd is of something else than a socket.",
    errno.EBADF: "There is no such open fd.",
    errno.EBUSY: "The socket is in another map with a program for the same hook.",
}


class _SocketMap(FileMap[K, int], KeyValueMap[K, int]):
    """What both kinds have in common: sockets go in, and their cookies come out."""

    _value_size = 8
    _holds = "sockets"
    _pop_hint = "Sockets cannot be taken out in one step: look up and then delete."

    def put(self, key: K, value: HasFileno | int, flags: int = 0) -> None:
        """Puts a socket into the map, until it is deleted, replaced or closed.

        The map does not keep the socket open. The programs that are attached to the map at
        this moment are the ones that the socket gets.

        Args:
            key: the key.
            value: a socket, or its fd.
            flags: `UpdateFlags`: NO_EXIST for a new key only, EXIST for one that is there only.

        Raises:
            KeyError: there is no such key, under EXIST or beyond the end of a SockMap.
            ExistsError: the key exists, under NO_EXIST.
            TypeError: the value is no socket.
            BpfError: the kernel takes no socket of that kind or in that state; the hint says which
                it takes. E2BIG when a SockHash is full.

        libbpf: bpf_map_update_elem.
        """
        try:
            super().put(key, value, flags)
        except BpfError as error:
            if error.errno == errno.ENOTSOCK and not isinstance(value, int):
                raise TypeError(f"a socket or its fd is wanted, not {type(value).__name__}") from error
            raise

    # A cookie cannot be put back: what goes in is not what comes out.
    __setitem__ = put

    def update_batch(self, keys: Iterable[K], values: Iterable[HasFileno | int], flags: int = 0) -> None:
        """Puts many sockets, one after the other. As `put`."""
        for key, value in zip(list(keys), list(values), strict=True):
            self.put(key, value, flags)

    def delete_batch(self, keys: Iterable[K]) -> int:
        """Deletes many keys, one after the other, and returns how many there were."""
        return sum(self.delete_bytes(key) for key in [self._encoded_key(key) for key in keys])

    def _put_failed(self, result: int, key: Any, flags: int = 0) -> NoReturn:
        if -result in _REFUSED:
            hint = _REFUSED[-result]
            raise BpfError(-result, "put a socket into", self._label, hint=hint)
        super()._put_failed(result, key, flags)

    def _fail(self, result: int, operation: str, flags: int = 0, hint: str = "") -> NoReturn:
        # Before 5.7 there was no lookup at all: EOPNOTSUPP.
        if result in (-errno.ENOSPC, -errno.EOPNOTSUPP) and operation.startswith("look up"):
            raise NotSupportedError(
                -result,
                operation,
                self._label,
                hint="The kernel tells cookies, of 8 bytes: give the map values of that size, "
                "__type(value, __u64), and Linux 5.7.",
            )
        super()._fail(result, operation, flags, hint)


class SockMap(_SocketMap[int], SparseArray[int]):
    """Sockets by index: `map[index] = socket`, `del map[index]`; `map[index]` is the socket's cookie
    (SO_COOKIE), if value_size is 8 (5.7).

    A socket leaves the map when it is closed. Its keys are the indices that hold a socket. The kernel
    walks through all indices: which hold one, only a lookup tells. So `len`, `in` and iteration need
    a value_size of 8 as well.

    Kernel: 4.14.
    """

    _type = MapType.SOCKMAP

    def delete(self, key: int, flags: int = 0) -> None:
        """Takes a socket out. It goes on without the map's programs.

        Raises:
            KeyError: there is none at that index.

        libbpf: bpf_map_delete_elem_flags.
        """
        try:
            super().delete(key, flags)
        except BpfError as error:
            if error.errno != errno.EINVAL or flags:
                raise
            # net/core/sock_map.c:__sock_map_delete
            raise KeyError(key) from None

    def delete_bytes(self, key: Buffer) -> bool:
        """Deletes an index of 4 bytes, and says whether it held a socket (bpf_map_delete_elem)."""
        try:
            return super().delete_bytes(key)
        except BpfError as error:
            if error.errno != errno.EINVAL:
                raise
            return False

    def clear(self) -> None:
        """Takes all sockets out, index by index."""
        for index in range(self._known_layout().max_entries):
            self.delete_bytes(INDEX.encode(index))


class SockHash(_SocketMap[K]):
    """Sockets by key: `map[key] = socket`, `del map[key]`; `map[key]` is the socket's cookie
    (SO_COOKIE), if value_size is 8 (5.7).

    A socket leaves the map when it is closed.

    Kernel: 4.18.
    """

    _type = MapType.SOCKHASH

    def __contains__(self, key: object) -> bool:
        """Whether there is such a key. With a value_size of 4 this walks through the map."""
        if self._known_layout().value_size == self._value_size:
            return super().__contains__(key)
        return self._encoded_key(key) in self._keys_one_by_one()
