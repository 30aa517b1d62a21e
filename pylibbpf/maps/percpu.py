# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Per-CPU maps: each element has a value for every possible CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from .._native import lib
from ..btf.codec import Codec, at, raw_bytes
from ..enums import MapType, UpdateFlags
from ..system import num_possible_cpus
from .array import ArrayMap
from .elements import ElementMap
from .keyvalue import KeyValueMap
from .layout import per_cpu_stride
from .typevars import K, V


class PerCpuCodec(Codec):
    """The values of one key: a list with one for each possible CPU, by number.

    Possible CPUs that are not there count (libbpf_num_possible_cpus), and each
    value takes a multiple of 8 bytes.
    """

    __slots__ = ("cpus", "element", "stride")

    def __init__(self, element: Codec) -> None:
        self.element = element
        self.cpus = num_possible_cpus()
        self.stride = per_cpu_stride(element.size)
        super().__init__(f"{element.name} on {self.cpus} CPUs", self.stride * self.cpus)

    def encode(self, value: Any, where: str = "") -> bytes:
        raw = raw_bytes(value)
        if raw is not None:
            return self._exactly(raw, where)
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
            raise TypeError(f"{at(where)}{self.name} takes a list of values, not {type(value).__name__}")
        if len(value) != self.cpus:
            raise ValueError(f"{at(where)}{self.name} takes {self.cpus} values, not {len(value)}")
        encode, stride = self.element.encode, self.stride
        return b"".join(
            [encode(one, f"{where}[{cpu}]").ljust(stride, b"\0") for cpu, one in enumerate(value)]
        )

    def decode(self, buffer: Any, offset: int = 0) -> list[Any]:
        decode = self.element.decode
        return [decode(buffer, at) for at in range(offset, offset + self.size, self.stride)]


class PerCpuMap(ElementMap[K, list[V]]):
    """What per-CPU hashes and arrays have in common."""

    _value_codec: PerCpuCodec

    def _element_codecs(self) -> tuple[Codec, Codec]:
        key, value = super()._element_codecs()
        return key, PerCpuCodec(value)

    def lookup(self, key: K, flags: int = 0) -> list[V] | None:
        """The values of a key, or None if there is no such key.

        Args:
            key: the key.
            flags: `UpdateFlags.CPU | cpu << 32` for the value of one CPU, which is then
                not in a list.

        libbpf: bpf_map_lookup_elem_flags.
        """
        if not wants_one(flags):
            return super().lookup(key, flags)
        value = self._lookup_encoded(self._encoded_key(key), flags)
        # What the flags ask for, and the kernel gave, is a single value.
        return None if value is None else cast("list[V]", self._value_codec.element.decode(value))

    def put(self, key: K, value: list[V] | V, flags: int = 0) -> None:
        """Writes the values of a key on all possible CPUs.

        Args:
            key: the key.
            value: a list with one for each possible CPU; with `UpdateFlags.CPU | cpu << 32`
                the value for that CPU, and with `UpdateFlags.ALL_CPUS` the one for all.
            flags: `UpdateFlags`.

        Raises:
            KeyError, ExistsError, BpfError: as for other maps.

        libbpf: bpf_map_update_elem.
        """
        if not wants_one(flags):
            super().put(key, cast("list[V]", value), flags)
            return
        encoded = self._encoded_key(key)
        one = self._value_codec.element.encode(value)
        # A kernel that does not know the flags reads as much as for all CPUs before it says so.
        padded = one.ljust(self._value_codec.size, b"\0")
        with self._fd_handle() as fd:
            result = lib.bpf_map_update_elem(fd, encoded, padded, flags)
        if result:
            self._put_failed(result, key, flags)

    __setitem__ = put


def wants_one(flags: int) -> bool:
    """Whether flags stand for one value, and not for one on each CPU."""
    return bool(flags & (UpdateFlags.CPU | UpdateFlags.ALL_CPUS))


class PerCpuHashMap(PerCpuMap[K, V], KeyValueMap[K, list[V]]):
    """A hash table with a value per CPU: `map[key]` is a list, by CPU number. Plain and LRU.

    Writing takes a list with a value for each of `num_possible_cpus()`.

    Kernel: 4.6, LRU 4.10; `pop` 5.14, batches 5.6.
    """

    _type = MapType.PERCPU_HASH
    _batches = True


class PerCpuArray(PerCpuMap[int, V], ArrayMap[list[V]]):
    """An array with a value per CPU: `map[index]` is a list, by CPU number.

    Writing takes a list with a value for each of `num_possible_cpus()`.

    Kernel: 4.6; batches 5.13.
    """

    _type = MapType.PERCPU_ARRAY
