# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Views of a map's keys, values and items: they hold nothing, and read the map when they are asked."""

from __future__ import annotations

import collections.abc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .typevars import K, V

if TYPE_CHECKING:
    from .keyvalue import KeyValueMap


class KeysView(collections.abc.KeysView[K]):
    """The keys of a map. `len()` walks the map; set operations make Python sets."""

    __slots__ = ()
    _mapping: KeyValueMap[K, Any]

    def __iter__(self) -> Iterator[K]:
        return iter(self._mapping)

    def __repr__(self) -> str:
        return f"<keys of {self._mapping!r}>"


class ValuesView(collections.abc.ValuesView[V]):
    """The values of a map. `len()` walks the map."""

    __slots__ = ()
    _mapping: KeyValueMap[Any, V]

    def __iter__(self) -> Iterator[V]:
        return self._mapping._values()

    def __contains__(self, value: object) -> bool:
        return any(found is value or found == value for found in self)

    def __repr__(self) -> str:
        return f"<values of {self._mapping!r}>"


class ItemsView(collections.abc.ItemsView[K, V]):
    """Pairs of key and value. `len()` walks the map; set operations make Python sets."""

    __slots__ = ()
    _mapping: KeyValueMap[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping._items()

    def __repr__(self) -> str:
        return f"<items of {self._mapping!r}>"
