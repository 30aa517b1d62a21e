# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""ElementMap: maps whose elements are reached by a key.

This is the hot path. Where keys and values are integers, one call of the glue does
it all: see struct glue_map, which says "no" to all that is not quite simple.

Everything else borrows the map's handle inline, as `Handle` does in its
`with`: two calls of Python functions would cost as much as the rest. The append
stands inside `try` because CPython runs signal handlers when a call returns: one
that raises then finds the borrow made, and the `finally` that ends it. Numbers
are packed by the module struct and unpacked by a memoryview, without a Python
function between. The memory that the kernel writes to is taken from a list and
put back, so that no two threads share it.
"""

from __future__ import annotations

import errno
from operator import itemgetter
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from .._native import ffi, lib
from ..btf.codec import FloatCodec, IntCodec
from ..errors import ClosedError, ExistsError, FormatError, NotSupportedError
from .map import Map
from .typevars import K, V

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._libbpf import CBuffer, CData
    from .._native import Handle
    from ..btf.codec import Codec

T = TypeVar("T")

_lookup_elem = lib.bpf_map_lookup_elem
_update_elem = lib.bpf_map_update_elem
_update_fast = lib.glue_map_update
_ENOENT = -errno.ENOENT


class ElementMap(Map, Generic[K, V]):
    """A map whose elements are reached by a key: `map[key]`, `lookup`, `put`, `delete`, `pop`.

    Keys and values are typed by BTF, bytes without. A value that does not fit
    its type raises `OverflowError`, `TypeError` or `ValueError` that names the
    field, and nothing is written.
    """

    # From _make_ready on: how keys and values become bytes and back.
    _key_codec: Codec
    _value_codec: Codec
    _pack_key: Callable[[Any], bytes]
    _pack_value: Callable[[Any], bytes]
    _unpack_value: Callable[[Any], Any]
    # Where keys and values are integers: the fd, what looks one up, and what that says if it cannot.
    _fast: CData | None = None
    _look_up_fast: Callable[[CData, Any], Any]
    _other: int
    # The memory for one value, as the kernel takes it and as _unpack_value does.
    _buffers: list[tuple[CData, Any]]

    # --- as a Python mapping -------------------------------------------------------

    def __getitem__(self, key: K) -> V:
        """The value of a key.

        Raises:
            KeyError: there is no such key.

        libbpf: bpf_map_lookup_elem.
        """
        fast = self._fast
        if fast is not None and type(key) is int:
            try:
                found = self._look_up_fast(fast, key)
            except OverflowError:
                pass
            else:
                if found < self._other:
                    return found  # type: ignore[no-any-return]
                if found > self._other:
                    raise KeyError(key)
        handle = self._ready or self._make_ready()
        try:
            packed = self._pack_key(key)
        except (StructError, OverflowError):
            packed = self._key_codec.encode(key)  # takes more, and says what is wrong
        buffers = self._buffers
        try:
            buffer = buffers.pop()
        except IndexError:
            buffer = self._new_buffer()
        out, contents = buffer
        borrows = handle._borrows
        try:
            borrows.append(None)
            if handle._closed:
                raise ClosedError(f"{self._label} is closed")
            result = _lookup_elem(handle._value, packed, out)
        finally:
            borrows.pop()
            if handle._closed and not borrows:
                handle._free_once()
        if result:
            buffers.append(buffer)
            if result == _ENOENT:
                raise KeyError(key)
            self._fail(result, "look up a key in")
        value: V = self._unpack_value(contents)
        buffers.append(buffer)
        return value

    def __delitem__(self, key: K) -> None:
        """Deletes a key.

        Raises:
            KeyError: there is no such key.
            NotSupportedError: this kind keeps its elements.

        libbpf: bpf_map_delete_elem.
        """
        self.delete(key)

    def __contains__(self, key: object) -> bool:
        """Whether there is such a key. A key that its type cannot hold is an error here too."""
        try:
            self[key]  # type: ignore[index]
        except KeyError:
            return False
        return True

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, default: V | T, /) -> V | T: ...
    def get(self, key: K, default: V | T | None = None, /) -> V | T | None:
        """The value of a key, or a default."""
        try:
            return self[key]
        except KeyError:
            return default

    # Else iter() would try map[0], map[1] and so on.
    __iter__: Any = None

    _missing: Any = object()

    @overload
    def pop(self, key: K, /, *, flags: int = 0) -> V: ...
    @overload
    def pop(self, key: K, default: V | T, /, *, flags: int = 0) -> V | T: ...
    def pop(self, key: K, default: Any = _missing, /, *, flags: int = 0) -> Any:
        """Takes a key out and returns its value, in one step that no other can come between.

        Args:
            key: the key.
            default: what to return if there is no such key.
            flags: `UpdateFlags.LOCK` to do it under the value's spin lock.

        Raises:
            KeyError: there is no such key, and no default.
            NotSupportedError: the kernel has no such step for this kind: hashes have it since 5.14.

        libbpf: bpf_map_lookup_and_delete_elem_flags.
        """
        value = self._pop_encoded(self._encoded_key(key), flags)
        if value is not None:
            return self._value_codec.decode(value)
        if default is self._missing:
            raise KeyError(key)
        return default

    # --- with flags -----------------------------------------------------------------

    def lookup(self, key: K, flags: int = 0) -> V | None:
        """The value of a key, or None if there is no such key.

        Args:
            key: the key.
            flags: `UpdateFlags.LOCK` to read it under its spin lock (5.1).

        libbpf: bpf_map_lookup_elem_flags.
        """
        if flags:
            value = self._lookup_encoded(self._encoded_key(key), flags)
            return None if value is None else self._value_codec.decode(value)
        try:
            return self[key]
        except KeyError:
            return None

    def put(self, key: K, value: V, flags: int = 0) -> None:
        """Writes the value of a key.

        Args:
            key: the key.
            value: the value.
            flags: `UpdateFlags`: NO_EXIST for a new key only, EXIST for one that is there only,
                LOCK to write it under its spin lock (5.1).

        Raises:
            KeyError: there is no such key, under EXIST or in an array.
            ExistsError: the key exists, under NO_EXIST.
            BpfError: E2BIG when the map is full, or whatever the kernel answers.

        libbpf: bpf_map_update_elem.
        """
        fast = self._fast
        if fast is not None and type(key) is type(value) is int:
            try:
                if not _update_fast(fast, key, value, flags):  # type: ignore[arg-type]
                    return
            except OverflowError:
                pass
        handle = self._ready or self._make_ready()
        try:
            packed_key, packed_value = self._pack_key(key), self._pack_value(value)
        except (StructError, OverflowError):
            packed_key, packed_value = self._key_codec.encode(key), self._value_codec.encode(value)
        borrows = handle._borrows
        try:
            borrows.append(None)
            if handle._closed:
                raise ClosedError(f"{self._label} is closed")
            result = _update_elem(handle._value, packed_key, packed_value, flags)
        finally:
            borrows.pop()
            if handle._closed and not borrows:
                handle._free_once()
        if result:
            self._put_failed(result, key, flags)

    # Without a call between. A subclass with another put says so anew.
    __setitem__ = put

    def delete(self, key: K, flags: int = 0) -> None:
        """Deletes a key.

        Raises:
            KeyError: there is no such key.
            NotSupportedError: this kind keeps its elements.

        libbpf: bpf_map_delete_elem_flags.
        """
        encoded = self._encoded_key(key)
        with self._fd_handle() as fd:
            result = lib.bpf_map_delete_elem_flags(fd, encoded, flags)
        if result == _ENOENT:
            raise KeyError(key)
        if result:
            self._fail(result, "delete a key of", flags)

    # --- how ------------------------------------------------------------------------

    def _make_ready(self) -> Handle:
        """Chooses the codecs, once the map exists, and returns the handle of its fd."""
        handle = self._fd_handle()
        with handle:
            layout = self._known_layout()
            key, value = self._element_codecs()
            if (key.size, value.size) != (layout.key_size, layout.transfer_size):
                # A system call copies what the kernel thinks fit, and checks nothing.
                raise FormatError(
                    errno.EINVAL,
                    "type the elements of",
                    self._label,
                    hint=f"{key.name} and {value.name} take {key.size} and {value.size} bytes, the kernel "
                    f"copies {layout.key_size} and {layout.transfer_size}.",
                )
            self._key_codec, self._value_codec = key, value
            self._pack_key, self._pack_value = _packer(key), _packer(value)
            self._unpack_value = itemgetter(0) if is_plain_number(value) else value.decode
            self._buffers = []
            if type(key) is type(value) is IntCodec:
                self._make_fast(handle, key, value)
            self._ready = handle
        return handle

    def _make_fast(self, handle: Handle, key: IntCodec, value: IntCodec) -> None:
        """Shares the fd of a handle that is borrowed with the glue, which frees it from then on."""
        made = lib.glue_map_new(handle._value, key.size, key.signed, value.size, value.signed)
        if not made:
            raise MemoryError
        # The first is the one for all threads that come here at the same time. Not in __dict__, which
        # would make every attribute slower once it is looked at.
        self._glue_maps.append(ffi.gc(made, lib.glue_map_free))
        fast = self._glue_maps[0]
        handle._free, handle._fds = lambda _: lib.glue_map_close(fast), lambda fd: (fd,)
        self._look_up_fast = lib.glue_map_look_up_signed if value.signed else lib.glue_map_look_up
        self._other = lib.GLUE_MAP_OTHER_SIGNED if value.signed else lib.GLUE_MAP_OTHER
        self._fast = fast

    def _element_codecs(self) -> tuple[Codec, Codec]:
        """The codecs of a key and of a value as system calls copy it."""
        return self._chosen_codecs()

    def _new_buffer(self) -> tuple[CData, Any]:
        codec = self._value_codec
        out = ffi.new("char[]", codec.size)
        contents = ffi.buffer(out)
        if is_plain_number(codec):
            return out, memoryview(contents).cast(codec.format)  # type: ignore[call-overload]
        return out, contents

    def _encoded_key(self, key: Any) -> bytes:
        if self._ready is None:
            self._make_ready()
        return self._key_codec.encode(key)

    def _lookup_encoded(self, key: bytes, flags: int) -> CBuffer | None:
        handle = self._ready or self._make_ready()
        out = ffi.new("char[]", self._value_codec.size)
        with handle as fd:
            result = lib.bpf_map_lookup_elem_flags(fd, key, out, flags)
        if result == _ENOENT:
            return None
        if result:
            self._fail(result, "look up a key in", flags)
        return ffi.buffer(out)

    def _pop_encoded(self, key: bytes, flags: int = 0) -> CBuffer | None:
        handle = self._ready or self._make_ready()
        out = ffi.new("char[]", self._value_codec.size)
        with handle as fd:
            result = lib.bpf_map_lookup_and_delete_elem_flags(fd, key, out, flags)
        if result == _ENOENT:
            return None
        if result in _NO_SUCH_COMMAND and not flags:
            raise NotSupportedError(-result, "take a key out of", self._label, hint=self._pop_hint)
        if result:
            self._fail(result, "take a key out of", flags)
        return ffi.buffer(out)

    _pop_hint = "Hashes can since Linux 5.14. Where nothing comes between, look up and then delete."

    def _put_failed(self, result: int, key: Any, flags: int = 0) -> NoReturn:
        """Raises what a negative result of writing a key means."""
        if result == _ENOENT:
            raise KeyError(key)
        if result == -errno.EEXIST:
            raise ExistsError(errno.EEXIST, "put a new key into", self._label, hint=f"The key is {key!r}.")
        self._fail(result, "update", flags)


_NO_SUCH_COMMAND = {-errno.EINVAL, -errno.EOPNOTSUPP, -524}


def _packer(codec: Codec) -> Callable[[Any], bytes]:
    """What turns a value into its bytes, and raises for all that is not quite simple."""
    return Struct(f"={codec.format}").pack if is_plain_number(codec) else codec.encode


def is_plain_number(codec: Codec) -> bool:
    """Whether a value is what the module struct makes of it, which is not so for bools and enums."""
    # memoryview has no format for floats of 2 bytes.
    return type(codec) in (IntCodec, FloatCodec) and codec.format != "e"


def decode_many(codec: Codec, buffer: Any, count: int) -> list[Any]:
    """So many values that lie one behind the other."""
    size = codec.size
    if is_plain_number(codec):
        return memoryview(buffer)[: count * size].cast(codec.format).tolist()  # type: ignore[call-overload,no-any-return]
    decode = codec.decode
    return [decode(buffer, offset) for offset in range(0, count * size, size)]
