# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Codecs: between the bytes of a BTF type and Python values.

| BTF | from bytes | to bytes |
| --- | --- | --- |
| integer, pointer | int | an int that fits |
| bool | bool | True, False, 1, 0 |
| enum | EnumValue, an IntEnum; int where the value has no name | int, EnumValue, name of an enumerator |
| float, double | float | float or int |
| long double and other floats | bytes | bytes |
| char array | bytes without the trailing NULs | bytes, zero-filled up to the size |
| other array | list | a sequence of exactly that length |
| struct | an instance of its ctypes class | an instance, a dict with every field, a sequence |
| spin lock, timer, `__kptr` and their like in a struct | `Opaque` | nothing: the kernel keeps its own |
| union | an instance of its ctypes class | an instance, a dict with one field |

Every type also takes its raw bytes, in a buffer of exactly its size. What does
not fit is an error that names the field, the type and the value, and is never
cut to size: OverflowError for an integer out of range, TypeError for the wrong
kind of value, ValueError for a wrong length, name or number of values.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from struct import Struct as Packer
from struct import error as StructError
from typing import TYPE_CHECKING, Any

from ..suggestions import close_matches
from .spelling import declare
from .types import (
    MAX_RESOLVE_DEPTH,
    MODIFIERS,
    Array,
    Composite,
    Enum,
    Enumerator,
    Float,
    Int,
    Ptr,
    Struct,
    Type,
    Typedef,
    TypeTag,
    malformed,
)

if TYPE_CHECKING:
    from .btf import Btf

_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
_FLOATS = {2: "e", 4: "f", 8: "d"}

# btf__resolve_size has the same limit.
MAX_SIZE = 0xFFFF_FFFF
# Elements that take no bytes would be made out of nothing, four thousand million of them.
MAX_EMPTY = 1 << 12


class Codec:
    """Turns values of one type into bytes and back.

    Attributes:
        name: the type as C spells it, "unsigned int", "struct event".
        label: what messages call a value that is not a field of another: "event" for a struct.
        size: bytes of a value.
        format: a number's format as in the standard module struct, "I"; None for other types.
    """

    def __init__(self, name: str, size: int, format: str | None = None) -> None:
        self.name = self.label = name
        self.size = size
        self.format = format
        self._bytes_from = Packer(f"{size}s").unpack_from

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.size} bytes>"

    def encode(self, value: Any, where: str = "") -> bytes:
        """The bytes of a value.

        Args:
            value: the value.
            where: what the value is for, "event.pid", for the message of an error.

        Raises:
            OverflowError, TypeError, ValueError: the value does not fit the type.
        """
        raise NotImplementedError

    def decode(self, buffer: Any, offset: int = 0) -> Any:
        """The value at an offset of a buffer. It owns its memory.

        Raises:
            ValueError: fewer than `size` bytes are there.
        """
        raise NotImplementedError

    def view(self, buffer: Any, offset: int = 0) -> Any:
        """The value at an offset of a writable buffer; a struct, union or array shares its memory."""
        return self.decode(buffer, offset)

    def _exactly(self, raw: bytes, where: str) -> bytes:
        if len(raw) != self.size:
            raise ValueError(f"{at(where)}{self.name} takes {self.size} bytes, not {len(raw)}")
        return raw

    def _bytes(self, buffer: Any, offset: int) -> bytes:
        """The bytes of a value, at an offset of a buffer."""
        try:
            raw: bytes = self._bytes_from(buffer, offset)[0]
        except StructError:
            raise self._short(buffer, offset) from None
        return raw

    def _short(self, buffer: Any, offset: int) -> ValueError:
        size = memoryview(buffer).nbytes
        return ValueError(
            f"{self.name} takes {self.size} bytes, and the buffer has {size - offset} at {offset}"
        )


def printable(name: str) -> str:
    """A name that a class or a field can have: names in BTF may be bytes of no text."""
    return name.encode(errors="backslashreplace").decode()


def at(where: str) -> str:
    """How a message begins."""
    return f"{where}: " if where else ""


def raw_bytes(value: Any) -> bytes | None:
    """The contents of a buffer of bytes; None for any other value.

    A buffer of wider items, such as an array of NumPy, holds values and not the
    bytes of one. A bool of NumPy is its byte.
    """
    if type(value) is bytes:
        return value
    try:
        view = memoryview(value)
    except TypeError:
        return None
    return view.tobytes() if view.format in ("B", "b", "c", "?", "<B", "<b", "<c") else None


class _NumberCodec(Codec):
    """A number that the module struct can pack."""

    format: str

    def __init__(self, name: str, size: int, format: str) -> None:
        super().__init__(name, size, format)
        packer = Packer(f"={format}")
        self._pack = packer.pack
        self._unpack_from = packer.unpack_from

    def encode(self, value: Any, where: str = "") -> bytes:
        try:
            return self._pack(value)
        except (StructError, OverflowError):
            return self._encode_other(value, where)

    def _encode_other(self, value: Any, where: str) -> bytes:
        """The bytes of what is no number that fits, or the error that says so."""
        raise NotImplementedError

    def decode(self, buffer: Any, offset: int = 0) -> Any:
        try:
            return self._unpack_from(buffer, offset)[0]
        except StructError:
            raise self._short(buffer, offset) from None


class IntCodec(_NumberCodec):
    """An integer of 1, 2, 4 or 8 bytes."""

    def __init__(self, name: str, size: int, signed: bool) -> None:
        format = _UNSIGNED[size]
        super().__init__(name, size, format.lower() if signed else format)
        self.signed = signed

    def _encode_other(self, value: Any, where: str) -> bytes:
        return _encode_int(self, value, 8 * self.size, self.signed, where)


class WideIntCodec(Codec):
    """An integer of another size, as __int128."""

    def __init__(self, name: str, size: int, signed: bool) -> None:
        super().__init__(name, size)
        self.signed = signed

    def encode(self, value: Any, where: str = "") -> bytes:
        return _encode_int(self, value, 8 * self.size, self.signed, where)

    def decode(self, buffer: Any, offset: int = 0) -> int:
        return int.from_bytes(self._bytes(buffer, offset), sys.byteorder, signed=self.signed)


def fitting_int(name: str, value: Any, bits: int, signed: bool, where: str) -> int:
    """An integer that fits so many bits, or the error that says why it does not."""
    index = getattr(type(value), "__index__", None)
    if index is None:
        raise TypeError(f"{at(where)}{name} takes an int, not {type(value).__name__} ({_brief(value)})")
    number: int = index(value)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if not low <= number <= high:
        raise OverflowError(f"{at(where)}{_number(number)} does not fit {name} ({low} to {high})")
    return number


def _encode_int(codec: Codec, value: Any, bits: int, signed: bool, where: str) -> bytes:
    if not hasattr(type(value), "__index__"):
        raw = raw_bytes(value)
        if raw is not None:
            return codec._exactly(raw, where)
    number = fitting_int(codec.name, value, bits, signed, where)
    return number.to_bytes(codec.size, sys.byteorder, signed=signed)


class BoolCodec(Codec):
    """A bool. Any byte but zero is true."""

    def __init__(self, name: str, size: int = 1) -> None:
        super().__init__(name, size, "?" if size == 1 else None)

    def encode(self, value: Any, where: str = "") -> bytes:
        if value is not True and value is not False:
            raw = raw_bytes(value)
            if raw is not None:
                return self._exactly(raw, where)
            if fitting_int(self.name, value, 64, True, where) not in (0, 1):
                raise OverflowError(f"{at(where)}{int(value)} does not fit {self.name} (0 to 1)")
        return int(value).to_bytes(self.size, sys.byteorder)

    def decode(self, buffer: Any, offset: int = 0) -> bool:
        return self._bytes(buffer, offset).strip(b"\0") != b""


class FloatCodec(_NumberCodec):
    """A floating point number of 2, 4 or 8 bytes. One that is too large for its type is an error."""

    def __init__(self, name: str, size: int) -> None:
        super().__init__(name, size, _FLOATS[size])

    def _encode_other(self, value: Any, where: str) -> bytes:
        raw = raw_bytes(value)
        if raw is not None:
            return self._exactly(raw, where)
        if isinstance(value, (int, float)):
            raise OverflowError(f"{at(where)}{_number(value)} does not fit {self.name}")
        raise TypeError(f"{at(where)}{self.name} takes a float, not {type(value).__name__} ({_brief(value)})")


class BytesCodec(Codec):
    """Bytes of which nothing is known but their number."""

    def encode(self, value: Any, where: str = "") -> bytes:
        return self._exactly(_bytes_of(self, value, where), where)

    def decode(self, buffer: Any, offset: int = 0) -> bytes:
        return self._bytes(buffer, offset)


class Opaque(bytes):
    """What only the kernel may touch, a spin lock or a `__kptr`: system calls read it as zeroes."""

    kernel_type: str

    def __repr__(self) -> str:
        return f"<{self.kernel_type}>"

    __str__ = __repr__


# Structs that the kernel finds in map values, and neither shows nor takes from system calls
# (kernel/bpf/btf.c:btf_get_field_type), and tags of pointers that it treats so.
_OPAQUE_STRUCTS = {
    *("bpf_spin_lock", "bpf_res_spin_lock", "bpf_timer", "bpf_wq", "bpf_task_work", "bpf_refcount"),
    *("bpf_list_head", "bpf_list_node", "bpf_rb_root", "bpf_rb_node"),
}
_OPAQUE_TAGS = {"kptr", "kptr_untrusted", "percpu_kptr", "uptr"}


class OpaqueCodec(BytesCodec):
    """A field that only the kernel may touch."""

    def encode(self, value: Any, where: str = "") -> bytes:
        try:
            return super().encode(value, where)
        except TypeError:
            raise TypeError(f"{at(where)}{self.name} is the kernel's: leave it out") from None

    def decode(self, buffer: Any, offset: int = 0) -> Opaque:
        found = Opaque(self._bytes(buffer, offset))
        found.kernel_type = self.name
        return found


def opaque_codec(of: Type) -> OpaqueCodec | None:
    """The codec of a member that only the kernel may touch; None for any other."""
    target = _behind(of)
    if isinstance(target, Struct) and target.name in _OPAQUE_STRUCTS:
        return OpaqueCodec(str(target), target.size)
    if isinstance(target, Ptr) and isinstance(tag := target.type, TypeTag) and tag.name in _OPAQUE_TAGS:
        return OpaqueCodec(f"{target} __{tag.name}", target.size)
    return None


class CharArrayCodec(Codec):
    """An array of char: bytes, with zeroes behind."""

    def encode(self, value: Any, where: str = "") -> bytes:
        raw = _bytes_of(self, value, where)
        if len(raw) > self.size:
            raise ValueError(f"{at(where)}{self.name} takes {self.size} bytes at most, not {len(raw)}")
        return raw.ljust(self.size, b"\0")

    def decode(self, buffer: Any, offset: int = 0) -> bytes:
        return self._bytes(buffer, offset).rstrip(b"\0")


class EnumValue(IntEnum):
    """A value of a BTF enum that has a name. `Codec.enum` is the class of each enum."""

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


class EnumCodec(IntCodec):
    """An enum."""

    def __init__(self, name: str, size: int, signed: bool, enumerators: tuple[Enumerator, ...]) -> None:
        super().__init__(name, size, signed)
        self._enumerators = enumerators

    @cached_property
    def enum(self) -> type[EnumValue]:
        """The enumerators as a class of enum. A name that Python needs itself has an underscore behind it."""
        return make_enum(self.name, self._enumerators)

    @cached_property
    def members(self) -> dict[int, EnumValue]:
        """The members of `enum` by value."""
        return {member.value: member for member in self.enum}

    def _encode_other(self, value: Any, where: str) -> bytes:
        if not isinstance(value, str):
            return super()._encode_other(value, where)
        return super().encode(self.number(value, where), where)

    def number(self, value: Any, where: str) -> Any:
        """The value of an enumerator that is given by its name; any other value as it is."""
        if not isinstance(value, str):
            return value
        for name, number in self._enumerators:
            if name == value:
                return number
        close = close_matches(value, (name for name, _ in self._enumerators))
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise ValueError(f"{at(where)}{self.name} has no {value!r}{hint}")

    def decode(self, buffer: Any, offset: int = 0) -> int:
        return self.member(super().decode(buffer, offset))

    def member(self, number: int) -> int:
        """The member of `enum` with a value, or the value if it has no name."""
        return self.members.get(number, number)


class ArrayCodec(Codec):
    """An array of anything but char."""

    def __init__(self, name: str, element: Codec, length: int) -> None:
        super().__init__(name, element.size * length)
        self.element = element
        self.length = length
        # All at once, where each value is packed as it is.
        plain = isinstance(element, _NumberCodec) and not isinstance(element, EnumCodec)
        self._packer = Packer(f"={length}{element.format}") if plain else None

    @cached_property
    def cls(self) -> type[Any]:
        """The ctypes class: checked like the fields of a struct."""
        from .structs import array_class

        return array_class(self)

    def encode(self, value: Any, where: str = "") -> bytes:
        if isinstance(value, (str, Mapping)):
            raise TypeError(f"{at(where)}{self.name} takes a sequence, not {type(value).__name__}")
        raw = raw_bytes(value)
        if raw is not None:
            return self._exactly(raw, where)
        try:
            values = (
                value if isinstance(value, (list, tuple)) else [value[index] for index in range(len(value))]
            )
        except (TypeError, LookupError):
            raise TypeError(f"{at(where)}{self.name} takes a sequence, not {type(value).__name__}") from None
        if len(values) != self.length:
            raise ValueError(f"{at(where)}{self.name} takes {self.length} values, not {len(values)}")
        if self._packer is not None:
            try:
                return self._packer.pack(*values)
            except (StructError, OverflowError):
                pass  # one of them does not fit: the loop finds out which
        encode, where = self.element.encode, where or self.name
        return b"".join([encode(item, f"{where}[{index}]") for index, item in enumerate(values)])

    def decode(self, buffer: Any, offset: int = 0) -> list[Any]:
        if self._packer is not None:
            try:
                return list(self._packer.unpack_from(buffer, offset))
            except StructError:
                raise self._short(buffer, offset) from None
        self._bytes(buffer, offset)
        decode, size = self.element.decode, self.element.size
        return [decode(buffer, offset + index * size) for index in range(self.length)]

    def view(self, buffer: Any, offset: int = 0) -> Any:
        return self.cls.from_buffer(buffer, offset)


def _bytes_of(codec: Codec, value: Any, where: str) -> bytes:
    if isinstance(value, str):
        raise TypeError(f"{at(where)}{codec.name} takes bytes, not str; encode it")
    raw = raw_bytes(value)
    if raw is None:
        raise TypeError(f"{at(where)}{codec.name} takes bytes, not {type(value).__name__} ({_brief(value)})")
    return raw


def _brief(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _number(value: int | float) -> str:
    # Python refuses to write an int of more than 4300 digits.
    if isinstance(value, int) and value.bit_length() > 512:
        return f"an int of {value.bit_length()} bits"
    return str(value)


def make_enum(name: str, enumerators: Sequence[Enumerator]) -> type[EnumValue]:
    """The class of a BTF enum."""
    members: dict[str, int] = {}
    for enumerator in enumerators:
        # The module enum keeps _x_ and __x__ for itself; methods must stay reachable.
        taken = hasattr(EnumValue, enumerator.name) or enumerator.name[:1] == "_" == enumerator.name[-1:]
        members[f"{enumerator.name}_" if taken else enumerator.name] = enumerator.value
    members.pop("", None)
    name = printable(name.removeprefix("enum "))
    made: type[EnumValue] = EnumValue(name, members, module=__name__)  # type: ignore[arg-type, assignment, call-arg]
    made.__doc__ = f"The enumerators of enum {name}."
    return made


# --- the codec of a type ------------------------------------------------------


def bytes_codec(size: int) -> Codec:
    """The codec for a key or value that has no BTF: bytes."""
    return BytesCodec(f"{size} bytes", size)


def codec_for(btf: Btf, type_id: int) -> Codec:
    """The codec of a type, made once for each Btf.

    Raises:
        TypeError: the type has no values: void, a function, a section.
        FormatError: its layout contradicts itself.
        ValueError: the Btf is that of a machine of the other byte order.
    """
    codec = btf._codecs.get(type_id)
    if codec is None:
        if btf.byteorder != sys.byteorder:
            raise ValueError(f"values of {btf.byteorder}-endian BTF cannot be read on this machine")
        codec = _make(btf[type_id], [])
    found: Codec = codec
    return found


_SCALARS = (Int, Enum, Float, Ptr)


def _make(of: Type, within: list[Type], name: str = "") -> Codec:
    """The codec of a type.

    Args:
        of: the type.
        within: the types that this one is a part of, from the outermost in.
        name: what to call it if it has no name.
    """
    codecs = of.btf._codecs
    if of.id in codecs:
        made: Codec = codecs[of.id]
        return made
    if of in within or len(within) > 2 * MAX_RESOLVE_DEPTH:
        raise malformed(f"type [{of.id}]", "it is part of itself, or nested too deeply")
    within = [*within, of]
    if isinstance(of, MODIFIERS):
        codec = _make(of.type, within, name)
    elif isinstance(of, Typedef):
        codec = _make_typedef(of, within)
    elif isinstance(of, Composite):
        from .layout import make_struct_codec

        codec = make_struct_codec(of, name, lambda part, name: _make(part, within, name))
    elif isinstance(of, Array):
        codec = _make_array(of, within, name)
    else:
        if not isinstance(of, _SCALARS) and any(isinstance(whole, (Composite, Array)) for whole in within):
            raise malformed(f"type [{of.id}]", f"{of} has no values, and is part of type [{within[-2].id}]")
        codec = _make_scalar(of, f"enum {name}" if name and not of.name and isinstance(of, Enum) else str(of))
    codecs[of.id] = codec
    return codec


def _make_typedef(of: Typedef, within: list[Type]) -> Codec:
    target = _behind(of)
    if isinstance(target, (Int, Ptr, Float)):
        return _make_scalar(target, of.name)
    return _make(of.type, within, of.name)


def _make_array(of: Array, within: list[Type], name: str) -> Codec:
    element = of.type
    codec = _make(element, within, name)
    if codec.size * of.length > MAX_SIZE or (not codec.size and of.length > MAX_EMPTY):
        raise malformed(f"type [{of.id}]", f"it is an array of {of.length} times {codec.size} bytes")
    shown = declare(of)
    target = _behind(element)
    if isinstance(target, Int) and target.is_char:
        return CharArrayCodec(shown, of.length)
    return ArrayCodec(shown, codec, of.length)


def _behind(of: Type) -> Type:
    """What a type is behind typedefs and modifiers, itself if that leads nowhere."""
    for _ in range(2 * MAX_RESOLVE_DEPTH):
        if not isinstance(of, (*MODIFIERS, Typedef)):
            break
        of = of.type
    return of


def _make_scalar(of: Type, name: str) -> Codec:
    """The codec of a type that has no parts, called by the name it goes by."""
    if isinstance(of, Ptr):
        return IntCodec(name, of.size, signed=False)
    if isinstance(of, Int):
        if of.is_bool:
            return BoolCodec(name, _sane_size(of))
        return (IntCodec if of.size in _UNSIGNED else WideIntCodec)(name, _sane_size(of), of.signed)
    if isinstance(of, Enum):
        if of.size not in _UNSIGNED:
            raise malformed(f"type [{of.id}]", f"it is an enum of {of.size} bytes")
        return EnumCodec(name, of.size, of.signed, of.values)
    if isinstance(of, Float):
        # long double and _Float128 would lose digits as a Python float.
        return FloatCodec(name, of.size) if of.size in _FLOATS else BytesCodec(name, _sane_size(of))
    raise TypeError(f"{of} has no values: it is a BTF {of.kind.name.lower()}")


def _sane_size(of: Type) -> int:
    if not 1 <= of.size <= 16:
        raise malformed(f"type [{of.id}]", f"it is a number of {of.size} bytes")
    return of.size
