# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The types of the keys and values of a map that does not exist yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..btf.codec import Codec, IntCodec, bytes_codec
from ..maps.array import SparseArray
from ..maps.codecs import _by_btf

if TYPE_CHECKING:
    from ..maps import Map


def element_codecs(map: Map) -> tuple[Codec, Codec]:
    """The codecs that the keys of a map, and its values on one CPU, will have once the object is loaded."""
    key, value = _by_btf(map)
    if key is None or key.size != map.key_size:
        key = bytes_codec(map.key_size)
    if value is None or value.size != map.value_size:
        value = bytes_codec(map.value_size)
        if isinstance(map, SparseArray) and map._number and map.value_size == 4:
            value = IntCodec(map._number, 4, signed=False)
    return key, value
