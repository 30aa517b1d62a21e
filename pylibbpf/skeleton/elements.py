# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The types of the keys and values of a map that does not exist yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..maps.array import SparseArray
from ..maps.codecs import by_btf, sized

if TYPE_CHECKING:
    from ..btf.codec import Codec
    from ..maps import Map


def element_codecs(map: Map) -> tuple[Codec, Codec]:
    """The codecs that the keys of a map, and its values on one CPU, will have once the object is loaded."""
    key, value = sized(by_btf(map), map.key_size, map.value_size)
    return key, map._number_or(value) if isinstance(map, SparseArray) else value
