# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Queues and stacks: BPF_MAP_TYPE_QUEUE and BPF_MAP_TYPE_STACK."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Generic

from .._native import NULL, ffi, lib
from ..enums import MapType
from .map import Map
from .typevars import V

if TYPE_CHECKING:
    from ..btf.codec import Codec


class Queue(Map, Generic[V]):
    """First in, first out: `push`, `pop` and `peek`. The kernel does not tell how many values it holds.

    Kernel: 4.20.
    """

    _type = MapType.QUEUE
    _key_size = 0

    def push(self, value: V, flags: int = 0) -> None:
        """Adds a value.

        Args:
            value: the value.
            flags: `UpdateFlags.EXIST` drops the oldest value when there is no room.

        Raises:
            BpfError: E2BIG when it is full.
            OverflowError, TypeError, ValueError: the value does not fit its type.

        libbpf: bpf_map_update_elem.
        """
        with self._fd_handle() as fd:
            encoded = self._value_codec().encode(value)
            result = lib.bpf_map_update_elem(fd, NULL, encoded, flags)
        if result:
            self._fail(result, "push to", flags)

    def pop(self) -> V:
        """Takes the next value out.

        Raises:
            IndexError: it is empty.

        libbpf: bpf_map_lookup_and_delete_elem.
        """
        return self._next(lib.bpf_map_lookup_and_delete_elem, "pop from")

    def peek(self) -> V:
        """The value that `pop` would take.

        Raises:
            IndexError: it is empty.

        libbpf: bpf_map_lookup_elem.
        """
        return self._next(lib.bpf_map_lookup_elem, "peek into")

    def _next(self, function: Any, operation: str) -> V:
        with self._fd_handle() as fd:
            codec = self._value_codec()
            out = ffi.new("char[]", codec.size)
            result = function(fd, NULL, out)
        if result == -errno.ENOENT:
            raise IndexError(f"{self._label} is empty")
        if result:
            self._fail(result, operation)
        value: V = codec.decode(ffi.buffer(out))
        return value

    def _value_codec(self) -> Codec:
        return self._chosen_codecs()[1]

    def _hint(self, number: int, flags: int) -> str:
        more = " UpdateFlags.EXIST drops the oldest value." if number == errno.E2BIG else ""
        return super()._hint(number, flags) + more


class Stack(Queue[V]):
    """Last in, first out: `push`, `pop` and `peek`. The kernel does not tell how many values it holds.

    Kernel: 4.20.
    """

    _type = MapType.STACK
