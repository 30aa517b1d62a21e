# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The elements of any map as bytes: the system calls, with sizes checked."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from .._native import NULL, ffi, lib
from .fd import MapFd

if TYPE_CHECKING:
    from typing_extensions import Buffer


class RawElements(MapFd):
    """Look up, write, delete and walk by bytes. Lengths are checked: the kernel copies what it thinks fit."""

    def lookup_bytes(self, key: Buffer | None, flags: int = 0) -> bytes | None:
        """The value of a key as the kernel has it, or None if there is no such key.

        Args:
            key: exactly key_size bytes; None for kinds without keys.
            flags: `enums.UpdateFlags.LOCK`, or those of newer kernels.

        Returns:
            value_size bytes; for per-CPU kinds those of every possible CPU, each rounded up to 8;
            for kinds that hold programs, maps or perf events the 4 bytes of an id.

        libbpf: bpf_map_lookup_elem_flags.
        """
        encoded = self._key_bytes(key)
        with self._fd_handle() as fd:
            out = ffi.new("char[]", self._known_layout().transfer_size)
            result = lib.bpf_map_lookup_elem_flags(fd, encoded, out, flags)
        if result == -errno.ENOENT:
            return None
        if result < 0:
            self._fail(result, "look up a key in", flags)
        return bytes(ffi.buffer(out))

    def put_bytes(self, key: Buffer | None, value: Buffer, flags: int = 0) -> None:
        """Writes the value of a key, as the kernel will have it.

        Args:
            key: exactly key_size bytes; None for kinds without keys.
            value: as `lookup_bytes` returns it; the 4 bytes of an fd for kinds that hold programs,
                maps or perf events.
            flags: `enums.UpdateFlags`.

        Raises:
            ExistsError: the key exists, under NO_EXIST.
            BpfError: E2BIG when the map is full, or whatever the kernel answers.

        libbpf: bpf_map_update_elem.
        """
        encoded = self._key_bytes(key)
        with memoryview(value) as view:
            data = view.tobytes()
        with self._fd_handle() as fd:
            size = self._known_layout().transfer_size
            if len(data) != size:
                raise ValueError(f"a value of {self._label} takes {size} bytes, not {len(data)}")
            result = lib.bpf_map_update_elem(fd, encoded, data, flags)
        if result < 0:
            self._fail(result, "update", flags)

    def delete_bytes(self, key: Buffer) -> bool:
        """Deletes a key of exactly key_size bytes, and says whether there was one (bpf_map_delete_elem)."""
        encoded = self._key_bytes(key)
        with self._fd_handle() as fd:
            result = lib.bpf_map_delete_elem(fd, encoded)
        if result < 0 and result != -errno.ENOENT:
            self._fail(result, "delete a key of")
        return result == 0

    def next_key_bytes(self, key: Buffer | None = None) -> bytes | None:
        """The key behind another one in the kernel's order, None at the end (bpf_map_get_next_key).

        Args:
            key: exactly key_size bytes, or None for the first. Most kinds begin anew when
                it does not exist.
        """
        encoded = NULL if key is None else self._key_bytes(key)
        with self._fd_handle() as fd:
            # Kinds without keys answer EINVAL before they write.
            out = ffi.new("char[]", max(self._known_layout().key_size, 8))
            result = lib.bpf_map_get_next_key(fd, encoded, out)
        if result == -errno.ENOENT:
            return None
        if result < 0:
            self._fail(result, "iterate over")
        return bytes(ffi.buffer(out, self._known_layout().key_size))

    def _key_bytes(self, key: Buffer | None) -> Any:
        size = self._known_layout().key_size
        if key is None:
            if size:
                raise TypeError(f"a key of {self._label} takes {size} bytes, not None")
            return NULL
        with memoryview(key) as view:
            data = view.tobytes()
        if len(data) != size:
            raise ValueError(f"a key of {self._label} takes {size} bytes, not {len(data)}")
        return data if size else NULL
