# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The types that a caller may name for records, and what each means."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import NameNotFoundError
from .records import Array, Heads, Place, Raw, Records, Structures, Told, Tuples, Values, WithTails

if TYPE_CHECKING:
    from ..btf import Btf
    from ..btf.types import Type

# What begins the format of a Struct, and no name in C.
_BYTE_ORDERS = ("@", "=", "<", ">", "!")
_LEFT_OUT = (
    "clang leaves a type out that only local variables have: "
    "keep it by a global pointer to it, as in `const struct event *unused;`."
)


def records_of(
    of: object, btfs: Iterable[Btf], discriminator: str | None = None, tails: bool = False
) -> Records[Any]:
    """The records of a type.

    Args:
        of: None or bytes for bytes; memoryview; the name of a BTF type, a BTF type; a class derived
            from ctypes.Structure or ctypes.Union; a NumPy dtype; a struct.Struct, or its format
            with a byte order in front; or a mapping of these by the value of the discriminator, where
            None stands for all other values.
        btfs: where names are looked up, in this order; for a mapping, more than once.
        discriminator: the field that tells the types of a mapping apart, "kind" or "header.kind".
        tails: each event comes with what its record has behind its type.

    Raises:
        NameNotFoundError: there is no BTF type of that name, or no such field in one of the types.
        TypeError: it is no type, or one whose values are not in their bytes: a function, a
            structure of ctypes with pointers.
        ValueError: it has no bytes, or the types do not have the discriminator at the same place.
    """
    if isinstance(of, Mapping):
        return _told(of, btfs, discriminator, tails)
    if discriminator is not None:
        raise TypeError("a discriminator tells the types of a mapping apart: {1: 'struct a', 2: 'struct b'}")
    records = _plain(of, btfs)
    if not tails:
        return records
    if isinstance(records, Raw):
        raise ValueError("whole records have no tails: give a type for what comes before the tail")
    return WithTails(records)


def _plain(of: object, btfs: Iterable[Btf]) -> Records[Any]:
    if of is None or of is bytes:
        return Raw()
    if of is memoryview:
        return Raw(view=True)
    if isinstance(of, str):
        if of.startswith(_BYTE_ORDERS):
            try:
                return _of_format(struct.Struct(of))
            except struct.error as error:
                raise ValueError(f"{of!r} is no format of a struct: {error}") from None
        return _of_btf(_find(of, btfs))
    if isinstance(of, struct.Struct):
        return _of_format(of)
    if isinstance(of, type):
        import ctypes

        if issubclass(of, (ctypes.Structure, ctypes.Union)):
            _require_plain(of, of.__name__)
            return Structures(of, of.__name__)
    elif _is_dtype(of):
        return Array(of)  # type: ignore[arg-type]
    else:
        from ..btf.types import Type

        if isinstance(of, Type):
            return _of_btf(of)
    raise TypeError(
        "the type of records is None, bytes, memoryview, the name of a BTF type, a BTF type, a class derived "
        f"from ctypes.Structure or ctypes.Union, a NumPy dtype, or a struct.Struct, not {of!r}"
    )


def _is_dtype(of: object) -> bool:
    # A dtype only exists once NumPy is imported.
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(of, numpy.dtype)


def _of_format(format: struct.Struct) -> Tuples:
    if "P" in format.format:
        raise TypeError(f"struct format {format.format!r}: use Q for addresses")
    return Tuples(format)


def _find(name: str, btfs: Iterable[Btf]) -> Type:
    missing = None
    for btf in btfs:
        try:
            return btf.find(name)
        except NameNotFoundError as error:
            # The names of the first Btf are the better suggestions: it is the object's own.
            missing = missing or error
    missing = missing or NameNotFoundError("BTF type", name)
    missing.hint = _LEFT_OUT
    raise missing


def _of_btf(of: Type) -> Records[Any]:
    from ..btf.types import Struct, Union

    if isinstance(of.btf.resolve(of), (Struct, Union)):
        return Structures(of.btf.to_ctypes(of), str(of))
    return Values(of.btf.codec(of))


def _require_plain(cls: Any, where: str) -> None:
    """TypeError for a class of ctypes with pointers: to read one is to follow an address out of the ring."""
    import ctypes

    while issubclass(cls, ctypes.Array):
        cls = cls._type_
    if issubclass(cls, (ctypes.Structure, ctypes.Union)):
        for base in cls.__mro__:
            for field in vars(base).get("_fields_", ()):
                _require_plain(field[1], f"{where}.{field[0]}")
    elif not issubclass(cls, ctypes._SimpleCData) or cls._type_ in ("z", "Z", "O"):
        raise TypeError(
            f"{where} is a {cls.__name__}: what comes from the kernel is no address to follow here; "
            "use c_void_p or c_uint64, which read as integers"
        )


# --- records of several types ---------------------------------------------------------------


def _told(of: Mapping[Any, object], btfs: Iterable[Btf], discriminator: str | None, tails: bool) -> Told:
    if not discriminator:
        raise TypeError("types by value need a discriminator: the name of the field that has the value")
    types: dict[int, Heads[Any]] = {}
    other = _plain(of[None], btfs) if None in of else None
    place: Place | None = None
    for key, type in of.items():
        if key is None:
            continue
        if isinstance(type, str) and not type.startswith(_BYTE_ORDERS):
            type = _find(type, btfs)
        records = _plain(type, btfs)
        found = _place_of(type, discriminator)
        if place is not None and found[:2] != place[:2]:
            raise ValueError(
                f"{discriminator} is not at the same place in all types: {records.name} has {found.size} "
                f"bytes at offset {found.offset}, another has {place.size} at {place.offset}"
            )
        place = place or found
        assert isinstance(records, Heads)
        types[_key(key, type, discriminator)] = records
    if place is None:
        raise ValueError("types by value need at least one value")
    return Told(types, other, discriminator, place, tails)


def _key(key: object, type: Any, discriminator: str) -> int:
    """The value that a key stands for: an enumerator's name may do."""
    from ..btf.types import Type

    if isinstance(key, str) and isinstance(type, Type):
        from ..btf.codec import EnumCodec

        codec = type.btf.codec(type.btf.field(type, discriminator).type)
        if isinstance(codec, EnumCodec):
            return int(codec.number(key, discriminator))
    if isinstance(key, bool) or not isinstance(key, int):
        raise TypeError(f"{discriminator} tells types apart by integers, not {key!r}")
    return int(key)


def _place_of(type: Any, path: str) -> Place:
    """Where a type has the discriminator."""
    from ..btf.types import Type

    if isinstance(type, Type):
        field = type.btf.field(type, path)
        if field.bitfield_size:
            raise TypeError(f"{type}.{path} is a bitfield")
        codec = type.btf.codec(field.type)
        place = Place(field.offset, field.size, bool(codec.format and codec.format.islower()))
    elif _is_dtype(type):
        place = _dtype_place(type, path)
    elif isinstance(type, (struct.Struct, str)) or not hasattr(type, "_fields_"):
        raise TypeError(f"{type!r} has no field {path!r}: types that are told apart have named fields")
    else:
        place = _ctypes_place(type, path)
    if place.size not in (1, 2, 4, 8):
        raise TypeError(f"{path} has {place.size} bytes: it is no integer")
    return place


def _dtype_place(dtype: Any, path: str) -> Place:
    offset = 0
    for name in path.split("."):
        if name not in (dtype.fields or {}):
            raise NameNotFoundError(f"field of {dtype}", name, dtype.fields or ())
        dtype, within = dtype.fields[name][:2]
        offset += within
    if dtype.kind not in "iub":
        raise TypeError(f"{path} is no integer: it is {dtype}")
    return Place(offset, dtype.itemsize, dtype.kind == "i")


def _ctypes_place(cls: Any, path: str) -> Place:
    import ctypes

    offset = 0
    for name in path.split("."):
        fields = {field[0]: field for base in cls.__mro__ for field in vars(base).get("_fields_", ())}
        if name not in fields:
            raise NameNotFoundError(f"field of {cls.__name__}", name, list(fields))
        if len(fields[name]) > 2:
            raise TypeError(f"{cls.__name__}.{name} is a bitfield")
        offset += getattr(cls, name).offset
        cls = fields[name][1]
    if not issubclass(cls, ctypes._SimpleCData) or cls._type_ not in "bBhHiIlLqQ?":
        raise TypeError(f"{path} is no integer: it is a {cls.__name__}")
    return Place(offset, ctypes.sizeof(cls), cls._type_.islower())
