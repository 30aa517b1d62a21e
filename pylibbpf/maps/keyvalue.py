# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""KeyValueMap: maps that can also be walked, and so are MutableMappings."""

from __future__ import annotations

import itertools
from _thread import get_ident
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..enums import UpdateFlags
from ..errors import ExistsError
from . import walk
from .elements import ElementMap, decode_many
from .typevars import K, V
from .views import ItemsView, KeysView, ValuesView

if TYPE_CHECKING:
    from .arrays import MapArrays
    from .batch import Batch, Cursor

T = TypeVar("T")


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

    # The iterator that was made last, until it is stepped or its length is known.
    _ahead: walk.Ahead | None = None

    def __iter__(self) -> Iterator[K]:
        """Every key. libbpf: bpf_map_lookup_batch (5.6), bpf_map_get_next_key."""
        return self._iterate(lambda keys, values, count: self._decode_keys(keys, count), values=False)

    def __len__(self) -> int:
        """The number of keys. The kernel does not count them: this walks through the whole map."""
        if self._ready is None:
            self._make_ready()
        ahead, self._ahead = self._ahead, None
        if ahead is not None and not ahead.begun and ahead.thread == get_ident():
            return ahead.read(self)
        return sum(count for _, _, count in walk.chunks(self, values=False))

    def _items(self) -> Iterator[tuple[K, V]]:
        """Every key with its value."""
        return self._iterate(
            lambda keys, values, count: zip(
                self._decode_keys(keys, count), self._decode_values(values, count), strict=True
            ),
            values=True,
        )

    def _values(self) -> Iterator[V]:
        """Every value."""
        return self._iterate(lambda keys, values, count: self._decode_values(values, count), values=True)

    def _iterate(self, decode: Callable[[Any, Any, int], Iterable[T]], *, values: bool) -> Iterator[T]:
        """An iterator over what `decode` makes of each chunk. It walks once it is stepped."""
        if self._ready is None:
            self._make_ready()
        self._ahead = ahead = walk.Ahead(values)
        # Without a Python function between two items.
        return chain.from_iterable(itertools.starmap(decode, ahead.walk(self)))

    def _decode_keys(self, keys: Any, count: int) -> list[K]:
        return decode_many(self._key_codec, keys, count)

    def _decode_values(self, values: Any, count: int) -> list[V]:
        return decode_many(self._value_codec, values, count)

    def keys(self) -> KeysView[K]:
        """The keys, as a view that reads the map when it is asked."""
        return KeysView(self)

    def values(self) -> ValuesView[V]:
        """The values, as a view that reads the map when it is asked."""
        return ValuesView(self)

    def items(self) -> ItemsView[K, V]:
        """Pairs of key and value, as a view that reads the map when it is asked."""
        return ItemsView(self)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Writes the elements of a mapping, or of pairs of key and value, as `update_batch` does."""
        pairs = [*(other.items() if isinstance(other, Mapping) else other), *more.items()]
        self.update_batch([key for key, _ in pairs], [value for _, value in pairs])

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
        raise KeyError(f"{self._label} is empty")

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

    # --- many at a time -------------------------------------------------------------

    def lookup_batch(self, count: int = 4096, cursor: Cursor | None = None) -> Batch[K, V]:
        """Reads the next elements, and says where to go on::

            batch = map.lookup_batch()
            while batch.cursor:
                ...
                batch = map.lookup_batch(cursor=batch.cursor)

        Elements that come or go meanwhile are treated as in iteration. Where the kernel or the kind
        has no batches, single calls take their place.

        Args:
            count: how many to read. Of a hash it can be some fewer, as the kernel reads whole buckets;
                or more, when a bucket has more.
            cursor: that of the batch before; None for the beginning.

        Returns:
            A `Batch`: `keys`, `values`, and the `cursor`, None at the end.

        libbpf: bpf_map_lookup_batch (5.6).
        """
        return self._read_batch(count, cursor, delete=False)

    def lookup_and_delete_batch(self, count: int = 4096, cursor: Cursor | None = None) -> Batch[K, V]:
        """Takes the next elements out, each in one step that no other can come between.

        Arguments and result are those of `lookup_batch`.

        Raises:
            NotSupportedError: elements of this kind cannot be deleted, or the kernel has neither batches
                nor `pop` for it.

        libbpf: bpf_map_lookup_and_delete_batch (5.6).
        """
        return self._read_batch(count, cursor, delete=True)

    def _read_batch(self, count: int, cursor: Cursor | None, *, delete: bool) -> Batch[K, V]:
        from .batch import read

        if self._ready is None:
            self._make_ready()
        return read(self, count, cursor, delete=delete)

    def update_batch(self, keys: Any, values: Any, flags: int = 0) -> None:
        """Writes many elements: `map.update_batch(keys, values)`. `update` takes a mapping.

        Every key and value is checked before the first is written. Where the kernel or the kind has
        no batches, or not with these flags, single calls take their place.

        Args:
            keys: an iterable of keys, or a NumPy array of the key's dtype, which is not copied.
            values: as many values, likewise; of a per-CPU map an array has a row for each key and a
                column for each CPU.
            flags: `UpdateFlags`, as for `put`. With `UpdateFlags.CPU | cpu << 32` or `ALL_CPUS` (7.0) values
                of a per-CPU map are single ones.

        Raises:
            OverflowError, TypeError, ValueError: a key or value does not fit. Nothing is written.
            KeyError, ExistsError, BpfError: as for `put`, of the first element that the kernel refused.
                Those before it are written; the hint says how many.

        libbpf: bpf_map_update_batch (5.6).
        """
        from .batch import write

        if self._ready is None:
            self._make_ready()
        write(self, keys, values, flags)

    def delete_batch(self, keys: Any) -> int:
        """Deletes many keys, and passes over those that are not there.

        Where the kernel or the kind has no batches, single calls take their place.

        Args:
            keys: an iterable of keys, or a NumPy array of the key's dtype.

        Returns:
            How many keys were deleted.

        Raises:
            OverflowError, TypeError, ValueError: a key does not fit. Nothing is deleted.
            NotSupportedError: this kind keeps its elements.

        libbpf: bpf_map_delete_batch (5.6).
        """
        from .batch import delete

        if self._ready is None:
            self._make_ready()
        return delete(self, keys)

    def to_numpy(self) -> MapArrays:
        """All elements as two NumPy arrays, `keys` and `values`, in the same order.

        Their dtypes are those of the BTF types, see `Btf.to_dtype`; without BTF they are opaque bytes, V.
        Values of a per-CPU map have a row for each key and a column for each CPU. The arrays are the
        caller's own.

        Raises:
            ImportError: NumPy is not installed: it comes with the extra `pylibbpf[numpy]`.

        libbpf: bpf_map_lookup_batch (5.6), and single calls where there are no batches.
        """
        from .arrays import to_arrays

        if self._ready is None:
            self._make_ready()
        return to_arrays(self)

    # --- how ------------------------------------------------------------------------

    def _keys_one_by_one(self) -> Iterator[bytes]:
        """Every key, where the kernel has no batches."""
        return walk.keys(self)
