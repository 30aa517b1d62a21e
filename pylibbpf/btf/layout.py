# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Where the fields of a struct or union lie, and its codec."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, ClassVar

from ..suggestions import close_matches
from .codec import (
    BoolCodec,
    Codec,
    EnumCodec,
    IntCodec,
    OpaqueCodec,
    at,
    fitting_int,
    opaque_codec,
    printable,
)
from .structs import StructValue, make_class, storage_type, unit_type
from .types import Composite, Int, Member, Type, Union, malformed


class Field:
    """A field of a struct or union.

    Attributes:
        name: its name as an attribute.
        offset: where its storage begins, in bytes.
        size: bytes of its storage.
        codec: the codec of its type.
        storage: the name of its storage among the fields of the ctypes class.
        ctype: the type of that.
        convert: makes the value of what ctypes reads there; None if that is the value.
        shares: whether other fields have bits in its storage.
    """

    __slots__ = ("codec", "convert", "ctype", "name", "offset", "size", "storage")

    shares: ClassVar[bool] = False
    convert: Callable[[Any], Any] | None

    def __init__(self, name: str, offset: int, codec: Codec) -> None:
        self.name = name
        self.offset = offset
        self.size = codec.size
        self.codec = codec
        self.ctype, self.convert = storage_type(codec)
        self.storage = f"{name} (raw)" if self.convert else name

    @property
    def needed(self) -> bool:
        """Whether a complete value has to have it."""
        return self.size > 0 and not isinstance(self.codec, OpaqueCodec)

    @property
    def wanted(self) -> str:
        """What to ask for if it is missing."""
        return f"'{self.name}'"

    def moved(self, offset: int) -> Field:
        """The same field, as the struct around an anonymous member sees it."""
        moved = copy(self)
        moved.offset += offset
        return moved

    def given(self, fields: Mapping[str, Any]) -> bool:
        return self.name in fields

    def write(
        self, memory: bytearray, base: int, fields: Mapping[str, Any], where: str, complete: bool
    ) -> None:
        start = base + self.offset
        before = bytes(memory[start : start + self.size]) if self.shares else b""
        memory[start : start + self.size] = self.encode(fields[self.name], f"{where}.{self.name}", before)

    def encode(self, value: Any, where: str, before: bytes) -> bytes:
        """What its storage becomes with a value in it; `before` is what it was, if others share it."""
        return self.codec.encode(value, where)


class BitField(Field):
    """A bitfield. Its storage is the bytes that its bits are in, and others may share them.

    Attributes:
        bit: where it begins in its storage, in bits as BTF counts them: from the lowest on a
            little-endian machine, from the highest on a big-endian one.
        width: how many bits it has.
    """

    __slots__ = ("bit", "width")

    shares = True

    def __init__(self, name: str, bit_offset: int, width: int, codec: Codec) -> None:
        super().__init__(name, bit_offset // 8, codec)
        self.bit = bit_offset % 8
        self.width = width
        self.store_in(self.offset, (bit_offset + width + 7) // 8, name)

    def store_in(self, start: int, end: int, first: str) -> None:
        """Gives it more bytes for its storage, those of a unit that `first` is the first bitfield of."""
        self.bit += 8 * (self.offset - start)
        self.offset = start
        self.size = end - start
        self.storage = f"{first} (bits)"
        self.ctype, integer = unit_type(self.size)
        read = self._reader()
        self.convert = read if integer is None else lambda raw: read(integer(raw))

    def encode(self, value: Any, where: str, before: bytes) -> bytes:
        if isinstance(self.codec, EnumCodec):
            value = self.codec.number(value, where)
        mask = (1 << self.width) - 1
        number = (
            fitting_int(f"{self.codec.name} : {self.width}", value, self.width, self._signed, where) & mask
        )
        others = int.from_bytes(before, sys.byteorder) & ~(mask << self._shift)
        return (others | number << self._shift).to_bytes(self.size, sys.byteorder)

    def _reader(self) -> Callable[[int], Any]:
        """What makes its value of that of its storage."""
        shift, mask, sign = self._shift, (1 << self.width) - 1, 1 << self.width - 1
        codec = self.codec
        if isinstance(codec, BoolCodec):
            return lambda unit: bool(unit >> shift & mask)
        if self._signed:
            number: Callable[[int], int] = lambda unit: ((unit >> shift & mask) ^ sign) - sign  # noqa: E731
        else:
            number = lambda unit: unit >> shift & mask  # noqa: E731
        if isinstance(codec, EnumCodec):
            return lambda unit: codec.member(number(unit))
        return number

    @property
    def _shift(self) -> int:
        return self.bit if sys.byteorder == "little" else 8 * self.size - self.bit - self.width

    @property
    def _signed(self) -> bool:
        return bool(getattr(self.codec, "signed", False))


class Anonymous:
    """A member without a name: its fields belong to the struct around it."""

    __slots__ = ("codec", "ctype", "offset", "size", "storage")

    name: ClassVar[str] = ""
    convert: ClassVar[None] = None

    def __init__(self, index: int, offset: int, codec: StructCodec) -> None:
        self.offset = offset
        self.size = codec.size
        self.codec = codec
        self.ctype = codec.cls
        self.storage = f"(anonymous {index})"

    def given(self, fields: Mapping[str, Any]) -> bool:
        return any(name in fields for name in self.codec.fields)

    @property
    def needed(self) -> bool:
        return any(field.needed for field in self.codec.fields.values())

    @property
    def wanted(self) -> str:
        names = _listed(list(self.codec.fields))
        return f"one of {names}" if self.codec.union else names

    def write(
        self, memory: bytearray, base: int, fields: Mapping[str, Any], where: str, complete: bool
    ) -> None:
        self.codec.fill(memory, base + self.offset, fields, where, complete)


class StructCodec(Codec):
    """A struct or union.

    Attributes:
        label: the name of its class.
        union: whether it is a union.
        members: its members in the order of their declaration.
        fields: its fields by name, with those of anonymous members.
        cls: its ctypes class.
    """

    def __init__(
        self, name: str, label: str, size: int, union: bool, members: list[Field | Anonymous]
    ) -> None:
        super().__init__(name, size)
        self.label = label
        self.union = union
        self.members = members
        self.fields = {field.name: field for field in _flattened(members)}
        self.cls = make_class(self)
        # For every event of a ring buffer: ctypes' own methods, without a call of ours around them.
        self.__dict__["decode"] = self.cls.from_buffer_copy
        self.__dict__["view"] = self.cls.from_buffer

    def encode(self, value: Any, where: str = "") -> bytes:
        if type(value) is self.cls:
            return bytes(value)
        if isinstance(value, Mapping):
            return self._encode_mapping(value, where or self.label)
        raw = _buffer_bytes(value)
        if raw is not None:
            return self._exactly(raw, where)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return self._encode_sequence(value, where or self.label)
        kind = "one field" if self.union else "every field"
        raise TypeError(
            f"{at(where)}{self.name} takes a dict with {kind}, a sequence, an instance or {self.size} bytes, "
            f"not {type(value).__name__}"
        )

    def _encode_mapping(self, fields: Mapping[str, Any], where: str) -> bytes:
        self.refuse_unknown(fields, ValueError, where)
        memory = bytearray(self.size)
        self.fill(memory, 0, fields, where, complete=True)
        return bytes(memory)

    def _encode_sequence(self, values: Sequence[Any], where: str) -> bytes:
        if self.union:
            raise TypeError(f"{at(where)}{self.name} takes a dict that names the field, not a sequence")
        members = [member for member in self.members if member.needed]
        if len(values) != len(members):
            raise ValueError(f"{at(where)}{self.name} takes {len(members)} values, not {len(values)}")
        memory = bytearray(self.size)
        for member, value in zip(members, values, strict=True):
            if isinstance(member, Field):
                member.write(memory, 0, {member.name: value}, where, complete=True)
            else:
                memory[member.offset : member.offset + member.size] = member.codec.encode(value, where)
        return bytes(memory)

    def fill(
        self, memory: bytearray, base: int, fields: Mapping[str, Any], where: str, complete: bool
    ) -> None:
        """Writes fields into the memory of a value.

        Args:
            memory: it begins at `base` there.
            fields: values by name. Names of other structs around it may be among them.
            where: what the value is.
            complete: whether it is an error if one is missing.
        """
        given = [member for member in self.members if member.given(fields)]
        if self.union:
            if not given and complete and any(member.needed for member in self.members):
                raise ValueError(f"{at(where)}{self.name} lacks one of {_listed(list(self.fields))}")
            if len(given) > 1:
                self._fill_agreeing(memory, base, given, fields, where, complete)
                return
        elif complete and len(given) < len(self.members):
            missing = [member for member in self.members if member.needed and member not in given]
            if missing:
                raise ValueError(f"{at(where)}{self.name} lacks {', '.join(m.wanted for m in missing)}")
        for member in given:
            member.write(memory, base, fields, where, complete)

    def _fill_agreeing(
        self,
        memory: bytearray,
        base: int,
        given: list[Field | Anonymous],
        fields: Mapping[str, Any],
        where: str,
        complete: bool,
    ) -> None:
        # Only where both have bits: a struct may have gaps, where another member has some.
        whole, filled = 0, 0
        members = sorted(given, key=lambda member: member.size, reverse=True)
        for member in members:
            image, inverse = bytearray(self.size), bytearray(b"\xff" * self.size)
            for memory_of_one in (image, inverse):
                member.write(memory_of_one, 0, fields, where, complete)
            bits = int.from_bytes(image, "little")
            written = ~(bits ^ int.from_bytes(inverse, "little"))
            if (bits ^ whole) & written & filled:
                raise ValueError(
                    f"{at(where)}{members[0].wanted} and {member.wanted} are views of the same bytes of "
                    f"{self.name}, and do not agree"
                )
            whole |= bits
            filled |= written & (1 << 8 * self.size) - 1
        memory[base : base + self.size] = whole.to_bytes(self.size, "little")

    def refuse_unknown(self, names: Iterable[str], error: type[Exception], where: str) -> None:
        """Raises an error for the names that are none of its fields."""
        unknown = [name for name in names if name not in self.fields]
        if not unknown:
            return
        close = [match for name in unknown for match in close_matches(str(name), self.fields)]
        hint = f"; did you mean {_listed(close)}?" if close else ""
        if not close and len(self.fields) <= 16:
            hint = f"; it has {_listed(list(self.fields))}" if self.fields else ""
        raise error(f"{at(where)}{self.name} has no field {_listed([str(name) for name in unknown])}{hint}")


def _buffer_bytes(value: Any) -> bytes | None:
    """The contents of any buffer; None for what is none."""
    try:
        return memoryview(value).tobytes()
    except TypeError:
        return None
    except ValueError:
        # NumPy cannot lend records with fields that overlap, as in a union.
        return bytes(value.tobytes())


def _flattened(members: list[Field | Anonymous]) -> Iterator[Field]:
    for member in members:
        if isinstance(member, Field):
            yield member
        else:
            for field in member.codec.fields.values():
                yield field.moved(member.offset)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(f"'{name}'" for name in names[:8]) + more


def make_struct_codec(of: Composite, name: str, make: Callable[[Type, str], Codec]) -> StructCodec:
    """The codec of a struct or union.

    Args:
        of: the type.
        name: what to call it if it is anonymous.
        make: makes the codec of the type of a member; the name is for an anonymous one.
    """
    is_union = isinstance(of, Union)
    laid_out = [_laid_out(of, index, member, make) for index, member in enumerate(of.members)]
    members = [member for member in laid_out if member is not None]
    if is_union:
        _store_from_start(members)
    else:
        _share_units(members)
    end, unit = 0, ""
    for member in sorted(members, key=_place):
        if member.offset + member.size > of.size or (is_union and member.offset):
            raise malformed(f"type [{of.id}]", f"{member.wanted} lies outside of it")
        shared = isinstance(member, BitField) and member.storage == unit
        if not is_union and member.offset < end and not shared:
            raise malformed(f"type [{of.id}]", f"{member.wanted} overlaps what is before it")
        end, unit = member.offset + member.size, member.storage if isinstance(member, BitField) else ""
    names = [field.name for field in _flattened(members)]
    if len(set(names)) != len(names):
        raise malformed(f"type [{of.id}]", "two of its members have the same name")
    keyword = "union" if is_union else "struct"
    called = of.name or name
    return StructCodec(f"{keyword} {called or '(anonymous)'}", called or keyword, of.size, is_union, members)


def _laid_out(
    of: Composite, index: int, member: Member, make: Callable[[Type, str], Codec]
) -> Field | Anonymous | None:
    """A member at its place; None for one that has neither a name nor fields."""
    target = member.type
    codec = (opaque_codec(target) if member.name else None) or make(target, member.name)
    width, bit_offset = member.bitfield_size, member.bit_offset
    if not width and isinstance(codec, IntCodec):
        # Compilers of 2018 and before have the width of a bitfield in its integer type.
        integer = of.btf.resolve(target)
        if isinstance(integer, Int) and 0 < integer.bits < 8 * integer.size:
            width, bit_offset = integer.bits, bit_offset + integer.bit_offset
    if not width and bit_offset % 8:
        raise malformed(f"type [{of.id}]", f"'{member.name}' begins inside of a byte")
    if not member.name:
        return Anonymous(index, member.offset, codec) if isinstance(codec, StructCodec) else None
    name = printable(f"{member.name}_" if _taken(member.name) else member.name)
    if not width:
        return Field(name, bit_offset // 8, codec)
    if not isinstance(codec, (IntCodec, BoolCodec)) or width > 8 * codec.size:
        raise malformed(f"type [{of.id}]", f"'{name}' is a bitfield of {width} bits, of type {codec.name}")
    return BitField(name, bit_offset, width, codec)


# What ctypes needs in the class itself.
_RESERVED = {"_fields_", "_pack_", "_layout_", "_align_", "_anonymous_", "_swappedbytes_"}


def _taken(name: str) -> bool:
    """Whether Python or ctypes needs a name itself."""
    return name in _RESERVED or hasattr(StructValue, name) or name[:2] == "__" == name[-2:]


def _place(member: Field | Anonymous) -> tuple[int, int]:
    # What has no size comes before what begins at the same byte.
    return member.offset, member.size


def _share_units(members: list[Field | Anonymous]) -> None:
    """Gives bitfields that have bytes in common one storage."""
    fields = sorted((member for member in members if isinstance(member, BitField)), key=_place)
    unit: list[BitField] = []
    end = 0
    for field in [*fields, None]:
        if field is None or field.offset >= end:
            for shared in unit:
                shared.store_in(unit[0].offset, end, unit[0].name)
            unit, end = [], 0
        if field is not None:
            unit.append(field)
            end = max(end, field.offset + field.size)


def _store_from_start(members: list[Field | Anonymous]) -> None:
    """In a union all storage begins at 0; big-endian bits may lie behind the first byte."""
    for member in members:
        if isinstance(member, BitField):
            member.store_in(0, member.offset + member.size, member.name)
