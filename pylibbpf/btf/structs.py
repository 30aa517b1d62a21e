# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Structs and unions as ctypes classes, laid out by BTF and checked on every write.

Reading a field costs what ctypes takes. What plain ctypes lets pass is an error
here: a number that does not fit, a misspelt field, a slice of another length;
and a char array is zero-filled behind its new value.

ctypes decides on offsets by the rules of the platform's compiler. So the
classes are packed, with every hole filled by a field of its own: then offsets
are sums of sizes, and those come from BTF. What ctypes cannot express at any
offset, such as bitfields, enums and 128-bit integers, lies in a raw field of
its own, with a property that reads it. The names of such fields contain a
space: no name in C does.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from .codec import (
    ArrayCodec,
    CharArrayCodec,
    Codec,
    EnumCodec,
    printable,
)
from .types import malformed

if TYPE_CHECKING:
    from .layout import Field, StructCodec

_CTYPES: dict[str, type[Any]] = {
    "b": ctypes.c_int8,
    "B": ctypes.c_uint8,
    "h": ctypes.c_int16,
    "H": ctypes.c_uint16,
    "i": ctypes.c_int32,
    "I": ctypes.c_uint32,
    "q": ctypes.c_int64,
    "Q": ctypes.c_uint64,
    "?": ctypes.c_bool,
    "f": ctypes.c_float,
    "d": ctypes.c_double,
}
_UNITS: dict[int, type[Any]] = {
    1: ctypes.c_uint8,
    2: ctypes.c_uint16,
    4: ctypes.c_uint32,
    8: ctypes.c_uint64,
}

# How many elements the repr of an array shows.
_SHOWN = 16

_NOTHING: Any = object()


# --- values -------------------------------------------------------------------

if TYPE_CHECKING:
    _Memory = ctypes.Structure
else:
    _Memory = object


class _Value(_Memory):
    """What structs, unions and arrays have in common."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        # For copy: ctypes' own needs a __dict__.
        return type(self).from_buffer_copy, (bytes(self),)

    def _write(self, offset: int, data: bytes) -> None:
        ctypes.memmove(ctypes.addressof(self) + offset, data, len(data))


class _Fields(_Value):
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    __codec__: ClassVar[StructCodec]

    def __init__(self, value: Any = _NOTHING, /, **fields: Any) -> None:
        codec = self.__codec__
        if value is not _NOTHING:
            self._write(0, codec.encode(value))
        if fields:
            codec.refuse_unknown(fields, TypeError, codec.label)
            memory = bytearray(self)
            codec.fill(memory, 0, fields, codec.label, complete=False)
            self._write(0, bytes(memory))

    def __setattr__(self, name: str, value: Any) -> None:
        codec = self.__codec__
        field = codec.fields.get(name)
        if field is None:
            codec.refuse_unknown((name,), AttributeError, "")
            raise AssertionError
        before = bytes(self)[field.offset : field.offset + field.size] if field.shares else b""
        self._write(field.offset, field.encode(value, f"{codec.label}.{name}", before))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        if bytes(self) == bytes(other):
            return True
        return all(getattr(self, name) == getattr(other, name) for name in self.__codec__.fields)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__codec__.fields)
        return f"{self.__codec__.label}({fields})"

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name.isidentifier()]

    def asdict(self) -> dict[str, Any]:
        """The fields in plain Python: a dict, with dicts for structs and lists for arrays in it.

        The fields of anonymous members stand among those around them, and a union has each of its
        members. The constructor takes it back.
        """
        return {name: _plain(getattr(self, name)) for name in self.__codec__.fields}


class StructValue(_Fields, ctypes.Structure):
    """A struct of BTF. `Btf.to_ctypes()` makes the class of each type.

    The constructor takes keyword arguments, and what is not given is zero; or a
    dict with every field, a sequence with every member, another instance, or
    bytes of the right size. `Class.from_buffer(buffer, offset)` shares the
    memory of a writable buffer, `Class.from_buffer_copy(buffer, offset)` copies.

    Fields read as the types of `pylibbpf.btf.codec` do, but for arrays, which
    share the memory of the struct, and char arrays, which end at the first NUL;
    all of their bytes are in `bytes(struct)`. A field whose name Python needs
    itself has an underscore behind it. Instances are equal if their fields are.

    Raises:
        AttributeError: there is no such field. TypeError in the constructor.
        OverflowError, TypeError, ValueError: a value does not fit its field. Nothing is written then.
    """

    __slots__ = ()


class UnionValue(_Fields, ctypes.Union):  # type: ignore[metaclass]
    """A union of BTF: as StructValue, and each field is another view of the same bytes.

    The constructor takes one field; or several, as long as they agree on their bytes.
    """

    __slots__ = ()


class ArrayValue(_Value):
    """An array in a struct: a sequence of fixed length that shares the struct's memory."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
    __codec__: ClassVar[ArrayCodec]

    def __setitem__(self, index: int | slice, value: Any) -> None:
        codec = self.__codec__
        size = codec.element.size
        if isinstance(index, slice):
            places = range(codec.length)[index]
            values = list(value)
            if len(values) != len(places):
                raise ValueError(
                    f"{_path(self)}: a slice of {len(places)} takes {len(places)} values, not {len(values)}"
                )
        else:
            try:
                places = (range(codec.length)[index],)  # type: ignore[assignment]
            except IndexError:
                raise IndexError(f"{_path(self)} has {codec.length} elements, and no [{index}]") from None
            values = [value]
        encoded = [self._encoded(place, item) for place, item in zip(places, values, strict=True)]
        for place, data in zip(places, encoded, strict=True):
            self._write(place * size, data)

    def _encoded(self, place: int, value: Any) -> bytes:
        encode = self.__codec__.element.encode
        try:
            return encode(value)
        except (TypeError, ValueError, OverflowError):
            return encode(value, f"{_path(self)}[{place}]")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (ArrayValue, list, tuple)):
            return bool(_plain(self) == _plain(other))
        return NotImplemented

    def __repr__(self) -> str:
        length = self.__codec__.length
        shown = [repr(self[index]) for index in range(min(length, _SHOWN))]  # type: ignore[index]
        if length > _SHOWN:
            shown.append(f"... {length - _SHOWN} more")
        return f"[{', '.join(shown)}]"

    def tolist(self) -> list[Any]:
        """The elements in plain Python."""
        return [_plain(item) for item in self]  # type: ignore[attr-defined]


def _plain(value: Any) -> Any:
    if isinstance(value, _Fields):
        return value.asdict()
    if isinstance(value, (ArrayValue, list, tuple)):
        return [_plain(item) for item in value]  # type: ignore[union-attr]
    return value


def _path(value: Any) -> str:
    """Which part of what a value in shared memory is: "event.stack"."""
    base = value._b_base_
    codec: Codec = value.__codec__
    if not isinstance(base, _Value):
        return codec.label
    offset = ctypes.addressof(value) - ctypes.addressof(base)
    if isinstance(base, ArrayValue):
        return f"{_path(base)}[{offset // (base.__codec__.element.size or 1)}]"
    fields: dict[str, Field] = base.__codec__.fields
    name = next(
        (name for name, field in fields.items() if (field.offset, field.codec) == (offset, codec)), "?"
    )
    return f"{_path(base)}.{name}"


# --- ctypes classes -------------------------------------------------------------


def storage_type(codec: Codec) -> tuple[type[Any], Callable[[Any], Any] | None]:
    """The ctypes type that a value lies in memory as, and what makes the value of what ctypes reads there."""
    cls: type[Any] | None = getattr(codec, "cls", None)
    if cls is not None:
        return cls, None
    if isinstance(codec, CharArrayCodec):
        return ctypes.c_char * codec.size, None
    if isinstance(codec, EnumCodec):
        return _CTYPES[codec.format], codec.member
    if codec.format in _CTYPES:
        return _CTYPES[codec.format], None
    return ctypes.c_ubyte * codec.size, codec.decode


def unit_type(size: int) -> tuple[type[Any], Callable[[Any], int] | None]:
    """The same for bytes that bitfields share, whose value is an integer."""
    if size in _UNITS:
        return _UNITS[size], None
    return ctypes.c_ubyte * size, lambda raw: int.from_bytes(bytes(raw), sys.byteorder)


def make_class(codec: StructCodec) -> type[Any]:
    """The ctypes class of a struct or union."""
    namespace: dict[str, Any] = {
        "__codec__": codec,
        "__doc__": f"{printable(codec.name)} of BTF, {codec.size} bytes.",
        "__module__": __name__,
        "__slots__": (),
        "_pack_": 1,
        "_layout_": "ms",  # the one that packs, and 3.14 wants to be told
    }
    storage: dict[str, tuple[int, int, type[Any]]] = {}
    for member in codec.members:
        storage[member.storage] = (member.offset, member.size, member.ctype)
        if not member.name:
            # ctypes itself sees to the fields of an anonymous member, the raw ones included.
            inner = vars(member.ctype).items()
            namespace.update((name, value) for name, value in inner if isinstance(value, property))
        elif member.convert:
            namespace[member.name] = _property(member.storage, member.convert, member.codec.name)
    namespace["_anonymous_"] = [member.storage for member in codec.members if not member.name]
    namespace["_fields_"] = list(_without_holes(storage, codec))
    cls = type(printable(codec.label), (UnionValue if codec.union else StructValue,), namespace)
    if ctypes.sizeof(cls) != codec.size:
        # Never known to happen; values are copied to and from its memory.
        raise malformed(printable(codec.name), f"ctypes lays it out in {ctypes.sizeof(cls)} bytes")
    return cls


def _without_holes(
    storage: dict[str, tuple[int, int, type[Any]]], codec: StructCodec
) -> Iterator[tuple[str, type[Any]]]:
    end = 0
    for name, (offset, size, ctype) in sorted(storage.items(), key=lambda item: item[1][:2]):
        if offset > end:
            yield f"(hole at {end})", ctypes.c_ubyte * (offset - end)
        yield name, ctype
        end = 0 if codec.union else offset + size
    if codec.size > end:
        yield f"(hole at {end})", ctypes.c_ubyte * (codec.size - end)


def _property(storage: str, convert: Callable[[Any], Any], doc: str) -> property:
    raw = attrgetter(storage)
    return property(lambda value: convert(raw(value)), doc=doc)


def array_class(codec: ArrayCodec) -> type[Any]:
    """The ctypes class of an array."""
    element = codec.element
    ctype, convert = storage_type(element)
    if isinstance(element, CharArrayCodec):
        convert = attrgetter("value")  # ctypes makes bytes of a char array in a struct, but not in an array
    namespace: dict[str, Any] = {
        "__codec__": codec,
        "__module__": __name__,
        "__slots__": (),
        "_length_": codec.length,
        "_type_": ctype,
    }
    if convert:
        namespace["__getitem__"] = _converting(convert)
    return type(printable(codec.name), (ArrayValue, ctypes.Array), namespace)


def _converting(convert: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    get = ctypes.Array.__getitem__

    def getitem(self: Any, index: int | slice) -> Any:
        found = get(self, index)
        return [convert(item) for item in found] if isinstance(index, slice) else convert(found)

    return getitem
