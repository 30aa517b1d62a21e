# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Arrays: BPF_MAP_TYPE_ARRAY, and what all kinds with an index for a key have in common."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from ..btf.codec import BytesCodec, Codec, IntCodec
from ..enums import MapType
from ..errors import NotSupportedError
from .elements import ElementMap
from .keyvalue import KeyValueMap
from .typevars import V

if TYPE_CHECKING:
    from .batch import Batch, Cursor

# Elements that clear() writes at a time.
_CLEARED = 1 << 14

# A u32, whatever BTF calls it.
INDEX = IntCodec("an index", 4, signed=False)


class IndexedMap(ElementMap[int, V]):
    """A map whose key is an index from 0 to max_entries - 1."""

    _key_size = 4

    def _element_codecs(self) -> tuple[Codec, Codec]:
        return INDEX, super()._element_codecs()[1]

    def _put_failed(self, result: int, key: Any, flags: int = 0) -> NoReturn:
        if result == -errno.E2BIG:
            raise KeyError(key)
        super()._put_failed(result, key, flags)


class ArrayMap(IndexedMap[V], KeyValueMap[int, V]):
    """An array, for example `ArrayMap[int]`: a mapping whose keys are 0 to max_entries - 1, and always there.

    Elements begin as zero. They cannot be deleted: `del` and `pop` raise
    `NotSupportedError`, and `clear()` writes zeroes. `len()` costs nothing.

    Kernel: 3.19; batches 5.6.
    """

    _type = MapType.ARRAY
    _batches = True
    _pop_hint = "The elements of an array are always there. Write a zero instead."

    def __iter__(self) -> Iterator[int]:
        """Every index."""
        return iter(range(self._known_layout().max_entries))

    def __len__(self) -> int:
        """The number of elements, max_entries."""
        return self._known_layout().max_entries

    def _keys_one_by_one(self) -> Iterator[bytes]:
        return map(INDEX.encode, self)

    def delete(self, key: int, flags: int = 0) -> None:
        """Not possible.

        Raises:
            NotSupportedError: always.
        """
        self._keeps()

    def delete_batch(self, keys: Any) -> int:
        """Not possible.

        Raises:
            NotSupportedError: always.
        """
        self._keeps()

    def lookup_and_delete_batch(self, count: int = 4096, cursor: Cursor | None = None) -> Batch[int, V]:
        """Not possible.

        Raises:
            NotSupportedError: always.
        """
        self._keeps()

    def _keeps(self) -> NoReturn:
        raise NotSupportedError(errno.EINVAL, "delete a key of", self._label, hint=self._pop_hint)

    def clear(self) -> None:
        """Writes zeroes to every element (bpf_map_update_batch, 5.6)."""
        if self._ready is None:
            self._make_ready()
        zero: Any = bytes(self._value_codec.size)
        for start in range(0, len(self), _CLEARED):
            indexes = range(start, min(start + _CLEARED, len(self)))
            self.update_batch(indexes, repeat(zero, len(indexes)))


class SparseArray(IndexedMap[V], KeyValueMap[int, V]):
    """An array of which elements can be missing: the kernel walks through every index."""

    # What a value of 4 bytes is, where BTF does not say; "" if it is no number.
    _number: ClassVar[str] = ""

    def _element_codecs(self) -> tuple[Codec, Codec]:
        key, value = super()._element_codecs()
        return key, self._number_or(value)

    def _number_or(self, value: Codec) -> Codec:
        """The codec of values, which are numbers if nothing but their size is known."""
        if self._number and type(value) is BytesCodec and value.size == 4:
            return IntCodec(self._number, 4, signed=False)
        return value

    _pop_hint = "Look up and then delete."

    def _keys_one_by_one(self) -> Iterator[bytes]:
        for index in range(self._known_layout().max_entries):
            key = INDEX.encode(index)
            if self.lookup_bytes(key) is not None:
                yield key
