# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Where the name of a record's type is looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..btf import Btf
    from ..maps import Map


class TypeNames:
    """The BTF of the maps' objects, then that of the kernel; or one that the caller gave, alone.

    May be iterated again and again. The kernel's is closed at the end of the with statement: types found in
    it must be made use of before.
    """

    def __init__(self, maps: Iterable[Map], given: Btf | None) -> None:
        # The kernel has no BTF of a ring or perf buffer map (libbpf.c:bpf_object__create_map), so
        # that one from a pin, an id or an fd brings no types.
        self._btfs: list[Btf] = [given] if given is not None else []
        self._kernel: Btf | None = None
        self._asks_kernel = given is None
        for map in maps if given is None else ():
            btf = map._object.btf if map._object is not None else None
            if btf is not None and btf not in self._btfs:
                self._btfs.append(btf)

    def __iter__(self) -> Iterator[Btf]:
        yield from self._btfs
        if self._asks_kernel:
            if self._kernel is None:
                from ..btf import Btf

                self._kernel = Btf.vmlinux()
            yield self._kernel

    def __enter__(self) -> TypeNames:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._kernel is not None:
            self._kernel.close()
