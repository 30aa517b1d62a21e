# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Bloom filters: BPF_MAP_TYPE_BLOOM_FILTER."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Generic

from .._native import NULL, ffi, lib
from ..enums import MapType
from .map import Map
from .typevars import V

if TYPE_CHECKING:
    from ..btf.codec import Codec


class BloomFilter(Map, Generic[V]):
    """A set that may say yes wrongly, and never no: `add` and `in`. Values cannot be listed or taken out.

    `map_extra` is the number of hashes, 1 to 15; 0 stands for 5.

    Kernel: 5.16.
    """

    _type = MapType.BLOOM_FILTER
    _key_size = 0

    def add(self, value: V) -> None:
        """Adds a value.

        Raises:
            OverflowError, TypeError, ValueError: the value does not fit its type.

        libbpf: bpf_map_update_elem.
        """
        with self._fd_handle() as fd:
            result = lib.bpf_map_update_elem(fd, NULL, self._value_codec().encode(value), 0)
        if result:
            self._fail(result, "add to")

    def __contains__(self, value: V) -> bool:
        """Whether a value was added, probably. False is certain (bpf_map_lookup_elem)."""
        with self._fd_handle() as fd:
            # The kernel reads the value from where other kinds write theirs to.
            asked = ffi.new("char[]", self._known_layout().value_size)
            ffi.memmove(asked, self._value_codec().encode(value), len(asked))
            result = lib.bpf_map_lookup_elem(fd, NULL, asked)
        if result and result != -errno.ENOENT:
            self._fail(result, "look up a value in")
        return bool(result == 0)

    def _value_codec(self) -> Codec:
        return self._chosen_codecs()[1]
