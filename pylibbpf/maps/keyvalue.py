# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""KeyValueMap: maps that can also be walked, and so are MutableMappings."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, ClassVar

from .._native import ffi
from ..enums import UpdateFlags
from ..errors import ExistsError
from . import walk
from .elements import ElementMap
from .typevars import K, V
from .views import ItemsView, KeysView, ValuesView

if TYPE_CHECKING:
    from .._libbpf import CData


class KeyValueMap(ElementMap[K, V], MutableMapping[K, V]):
    """A map that is a `MutableMapping`: also `len`, iteration, `keys`, `values`, `items`, `update`, `clear`.

    Iteration, also over the views, sees every key that is there from its
    beginning to its end, and each key once. Other threads, programs and the
    loop itself may change the map meanwhile; a key that comes or goes then may
    be seen or not. It reads ahead, so that an item can be a little older than
    the map.
    """

    # Whether the kernel reads and deletes elements of this kind in batches.
    _batches: ClassVar[bool] = False

    def __iter__(self) -> Iterator[K]:
        """Every key. libbpf: bpf_map_lookup_batch (5.6), bpf_map_get_next_key."""
        if self._ready is None:
            self._make_ready()
        decode = self._key_codec.decode
        try:
            for keys, _, count in walk.batches(self):
                for offset in range(0, count * self._key_codec.size, self._key_codec.size):
                    yield decode(keys, offset)
        except walk.NoBatchesError:
            for key in self._keys_one_by_one():
                yield decode(key)

    def __len__(self) -> int:
        """The number of keys. The kernel does not count them: this walks through the whole map."""
        if self._ready is None:
            self._make_ready()
        try:
            return sum(count for _, _, count in walk.batches(self))
        except walk.NoBatchesError:
            return sum(1 for _ in self._keys_one_by_one())

    def _items(self) -> Iterator[tuple[K, V]]:
        """Every key with its value."""
        if self._ready is None:
            self._make_ready()
        decode_key, key_size = self._key_codec.decode, self._key_codec.size
        decode_value, value_size = self._value_codec.decode, self._value_codec.size
        try:
            for keys, values, count in walk.batches(self):
                for index in range(count):
                    yield decode_key(keys, index * key_size), decode_value(values, index * value_size)
        except walk.NoBatchesError:
            for key in self._keys_one_by_one():
                value = self._lookup_encoded(key, 0)
                if value is not None:  # else it was deleted between the two calls
                    yield decode_key(key), decode_value(value)

    def keys(self) -> KeysView[K]:
        """The keys, as a view that reads the map when it is asked."""
        return KeysView(self)

    def values(self) -> ValuesView[V]:
        """The values, as a view that reads the map when it is asked."""
        return ValuesView(self)

    def items(self) -> ItemsView[K, V]:
        """Pairs of key and value, as a view that reads the map when it is asked."""
        return ItemsView(self)

    def popitem(self) -> tuple[K, V]:
        """Takes some key out, and returns it with its value.

        Raises:
            KeyError: the map is empty.
            NotSupportedError: as `pop`.
        """
        for key in self:
            try:
                return key, self.pop(key)
            except KeyError:
                continue  # somebody else took it
        raise KeyError(f"map '{self.name}' is empty")

    def setdefault(self, key: K, default: V, /) -> V:
        """The value of a key, put there first if there is none. Never overwrites what another puts."""
        while True:
            value = self.lookup(key)
            if value is not None:
                return value
            try:
                self.put(key, default, UpdateFlags.NO_EXIST)
            except ExistsError:
                continue  # it came between
            return default

    def clear(self) -> None:
        """Deletes every key that was there at the beginning (bpf_map_lookup_and_delete_batch, 5.6)."""
        if self._ready is None:
            self._make_ready()
        try:
            for _ in walk.batches(self, delete=True):
                pass
        except walk.NoBatchesError:
            for key in list(self._keys_one_by_one()):
                self.delete_bytes(key)

    def _keys_one_by_one(self) -> Iterator[bytes]:
        """Every key, where the kernel has no batches."""
        return walk.keys(self)

    def _batch_buffers(self, count: int) -> tuple[CData, CData]:
        """Memory for so many keys and values."""
        return (
            ffi.new("char[]", count * self._key_codec.size),
            ffi.new("char[]", count * self._value_codec.size),
        )
