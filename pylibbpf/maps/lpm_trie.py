# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Longest prefix match: BPF_MAP_TYPE_LPM_TRIE."""

from __future__ import annotations

import errno

from ..enums import MapFlags, MapType
from .keyvalue import KeyValueMap
from .typevars import K, V


class LpmTrie(KeyValueMap[K, V]):
    """A trie of prefixes: `map[key]` is the value of the longest prefix of the key that is there.

    A key has the length of its prefix in bits, a u32 in this machine's byte
    order, in front of its data, most significant bits first; its BTF type is a
    struct of the two. Iteration goes key by key.

    Kernel: 4.11; iteration 4.16.
    """

    _type = MapType.LPM_TRIE
    _create_flags = MapFlags.NO_PREALLOC
    _pop_hint = "A trie has no such step. Where nothing comes between, look up and then delete."

    def _hint(self, number: int, flags: int) -> str:
        if number == errno.EINVAL and not flags:
            bits = 8 * (self._known_layout().key_size - 4)
            return f"A key begins with the length of its prefix, a u32 of {bits} at most."
        return super()._hint(number, flags)
