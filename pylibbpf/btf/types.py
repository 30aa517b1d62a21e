# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The types of BTF: small frozen objects, one class per kind.

A type knows its name, its id and the `Btf` that it came from, and finds the
types it refers to there. So a type can be used as long as its `Btf` is open.
`str()` of a type is how C spells it, `repr()` shows what it contains.

The layout of each kind is that of include/uapi/linux/btf.h.
"""

from __future__ import annotations

import errno
import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..errors import FormatError

if TYPE_CHECKING:
    from .btf import Btf


class Kind(IntEnum):
    """Kinds of BTF types, BTF_KIND_* of linux/btf.h less the prefix."""

    UNKN = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19

    def __str__(self) -> str:
        return self.name


class Linkage(IntEnum):
    """Linkage of functions and variables, enum btf_func_linkage and BTF_VAR_* of linux/btf.h."""

    STATIC = 0
    GLOBAL = 1
    EXTERN = 2

    def __str__(self) -> str:
        return self.name


# include/linux/btf.h: a chain of modifiers, typedefs and arrays is at most this long.
MAX_RESOLVE_DEPTH = 32


def malformed(what: str, why: str) -> FormatError:
    """The error for BTF that libbpf accepts, but that makes no sense."""
    return FormatError(errno.EINVAL, "make sense of BTF", what, hint=why)


class Raw(NamedTuple):
    """One struct btf_type with its name looked up, and the bytes that follow it."""

    name: str
    info: int
    size_or_type: int
    tail: bytes

    @property
    def vlen(self) -> int:
        return self.info & 0xFFFF

    @property
    def kflag(self) -> bool:
        return bool(self.info >> 31)


class Type:
    """A type of BTF.

    Two types are equal if they are the same type of the same `Btf`.

    Attributes:
        btf: the Btf it came from.
        id: its number there.
        name: its name, "" for an anonymous type and for kinds that have none.
        kind: its kind.
    """

    __slots__ = ("_raw", "btf", "id", "name")

    kind: ClassVar[Kind]
    btf: Btf
    id: int
    name: str
    _raw: Raw

    def __init__(self, btf: Btf, type_id: int, raw: Raw) -> None:
        put = object.__setattr__
        put(self, "btf", btf)
        put(self, "id", type_id)
        put(self, "name", raw.name)
        put(self, "_raw", raw)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a BTF type cannot be changed: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a BTF type cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Type):
            return NotImplemented
        return self.id == other.id and self.btf is other.btf

    def __hash__(self) -> int:
        return hash((self.id, id(self.btf)))

    def __str__(self) -> str:
        from .spelling import declare

        return declare(self)

    def __repr__(self) -> str:
        from .spelling import describe

        return f"<{type(self).__name__} [{self.id}] {describe(self)}>"

    @property
    def size(self) -> int:
        """Size of a value in bytes (btf__resolve_size).

        Raises:
            FormatError: it has none, like void, a function or a forward declaration.
        """
        return self.btf.size_of(self)

    def _unpack(self, format: str) -> tuple[Any, ...]:
        return struct.unpack(format, self._raw.tail)

    def _records(self, format: str) -> list[tuple[Any, ...]]:
        return list(struct.iter_unpack(format, self._raw.tail))


class Void(Type):
    """The type void, which is id 0 in every Btf."""

    __slots__ = ()
    kind = Kind.UNKN


class _Sized(Type):
    """A kind that carries its size."""

    __slots__ = ()

    @property
    def size(self) -> int:
        """Size of a value in bytes."""
        return self._raw.size_or_type


class Int(_Sized):
    """An integer, char or bool."""

    __slots__ = ()
    kind = Kind.INT

    @property
    def _encoding(self) -> int:
        return int(self._unpack("I")[0])

    @property
    def signed(self) -> bool:
        """Whether it has a sign (BTF_INT_SIGNED)."""
        # Old pahole leaves it out for one type: that of the kernel's BTF up to 5.10.
        return bool(self._encoding >> 24 & 1) or self.name == "signed char"

    @property
    def is_char(self) -> bool:
        """Whether it is C's char: of that name, since compilers hardly ever set BTF_INT_CHAR."""
        return self.size == 1 and (self.name == "char" or bool(self._encoding >> 24 & 2))

    @property
    def is_bool(self) -> bool:
        """Whether it is a bool (BTF_INT_BOOL)."""
        return bool(self._encoding >> 24 & 4)

    @property
    def bits(self) -> int:
        """Bits of the value: less than its size only in BTF of old compilers, for a bitfield."""
        return self._encoding & 0xFF

    @property
    def bit_offset(self) -> int:
        """Where the value begins in its storage, in bits. Zero but for bitfields of old compilers."""
        return self._encoding >> 16 & 0xFF


class Float(_Sized):
    """A floating point number."""

    __slots__ = ()
    kind = Kind.FLOAT


class _Reference(Type):
    """A kind that refers to one other type."""

    __slots__ = ()

    @property
    def type_id(self) -> int:
        """Id of the type it refers to."""
        return self._raw.size_or_type

    @property
    def type(self) -> Type:
        """The type it refers to."""
        return self.btf._refer(self, self.type_id)


class Ptr(_Reference):
    """A pointer. Its `size` is that of the machine the BTF was made for."""

    __slots__ = ()
    kind = Kind.PTR


class Typedef(_Reference):
    """A typedef."""

    __slots__ = ()
    kind = Kind.TYPEDEF


class Volatile(_Reference):
    """The modifier volatile."""

    __slots__ = ()
    kind = Kind.VOLATILE


class Const(_Reference):
    """The modifier const."""

    __slots__ = ()
    kind = Kind.CONST


class Restrict(_Reference):
    """The modifier restrict."""

    __slots__ = ()
    kind = Kind.RESTRICT


class TypeTag(_Reference):
    """A btf_type_tag attribute. `name` is the tag."""

    __slots__ = ()
    kind = Kind.TYPE_TAG


class DeclTag(_Reference):
    """A btf_decl_tag attribute of a type, function or variable, or of a part of it. `name` is the tag."""

    __slots__ = ()
    kind = Kind.DECL_TAG

    @property
    def component_index(self) -> int:
        """Which member or parameter is tagged; -1 for the whole."""
        return int(self._unpack("i")[0])


class Func(_Reference):
    """A function. `type` is its FuncProto."""

    __slots__ = ()
    kind = Kind.FUNC

    @property
    def linkage(self) -> Linkage:
        """Whether other files see the function."""
        return _linkage(self, self._raw.vlen)


class Var(_Reference):
    """A global variable."""

    __slots__ = ()
    kind = Kind.VAR

    @property
    def linkage(self) -> Linkage:
        """Whether other files see the variable."""
        return _linkage(self, self._unpack("I")[0])


class Fwd(Type):
    """A struct or union that was declared, and not defined."""

    __slots__ = ()
    kind = Kind.FWD

    @property
    def is_union(self) -> bool:
        """Whether it is a union that was declared, and no struct."""
        return self._raw.kflag


class Array(Type):
    """An array. One of more dimensions is an array of arrays, or flattened by the compiler."""

    __slots__ = ()
    kind = Kind.ARRAY

    @property
    def type_id(self) -> int:
        """Id of the type of an element."""
        return int(self._unpack("III")[0])

    @property
    def type(self) -> Type:
        """The type of an element."""
        return self.btf._refer(self, self.type_id)

    @property
    def index_type_id(self) -> int:
        """Id of the integer type that compilers name for the index."""
        return int(self._unpack("III")[1])

    @property
    def length(self) -> int:
        """The number of elements; zero for a flexible array."""
        return int(self._unpack("III")[2])


class _Part:
    """A named part of a type that has a type itself."""

    __slots__ = ("name", "owner", "type_id")

    owner: Type
    name: str
    type_id: int

    def __init__(self, owner: Type, name: str, type_id: int) -> None:
        put = object.__setattr__
        put(self, "owner", owner)
        put(self, "name", name)
        put(self, "type_id", type_id)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a BTF type cannot be changed: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a BTF type cannot be changed: {name}")

    def _key(self) -> tuple[object, ...]:
        return (self.owner, self.name, self.type_id)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, _Part) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        from .spelling import declare_id

        return declare_id(self.owner.btf, self.type_id, self.name)

    @property
    def type(self) -> Type:
        """Its type."""
        return self.owner.btf._refer(self.owner, self.type_id)


class Member(_Part):
    """A member of a struct or union.

    Attributes:
        owner: the struct or union.
        name: its name, "" if it is anonymous.
        type_id: id of its type.
        bit_offset: where it begins, in bits.
        bitfield_size: its width in bits if it is a bitfield, otherwise 0.
    """

    __slots__ = ("bit_offset", "bitfield_size")

    bit_offset: int
    bitfield_size: int

    def __init__(self, owner: Type, name: str, type_id: int, bit_offset: int, bitfield_size: int) -> None:
        super().__init__(owner, name, type_id)
        object.__setattr__(self, "bit_offset", bit_offset)
        object.__setattr__(self, "bitfield_size", bitfield_size)

    def _key(self) -> tuple[object, ...]:
        return (*super()._key(), self.bit_offset, self.bitfield_size)

    @property
    def offset(self) -> int:
        """Where it begins, in bytes; for a bitfield, the byte that its first bit is in."""
        return self.bit_offset // 8

    def __repr__(self) -> str:
        width = f" : {self.bitfield_size}" if self.bitfield_size else ""
        bit = f".{self.bit_offset % 8}" if self.bitfield_size else ""
        return f"<Member {self}{width} at {self.offset}{bit}>"


class Param(_Part):
    """A parameter of a function. A last one of type void stands for "..."."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Param {self}>"


class VarSecInfo(_Part):
    """Where a variable lies in its section.

    Attributes:
        owner: the DataSec.
        name: the variable's name.
        type_id: id of the Var.
        offset: where it begins in the section, in bytes. Zero in an object file that is not opened
            by libbpf: compilers leave it to the linker.
        size: its size in bytes.
    """

    __slots__ = ("offset", "size")

    offset: int
    size: int

    def __init__(self, owner: Type, name: str, type_id: int, offset: int, size: int) -> None:
        super().__init__(owner, name, type_id)
        object.__setattr__(self, "offset", offset)
        object.__setattr__(self, "size", size)

    def _key(self) -> tuple[object, ...]:
        return (*super()._key(), self.offset, self.size)

    def __repr__(self) -> str:
        return f"<VarSecInfo {self.name} at {self.offset}, {self.size} bytes>"


class Enumerator(NamedTuple):
    """One value of an enum."""

    name: str
    value: int


class Composite(_Sized):
    """A struct or union."""

    __slots__ = ("_members",)

    _members: tuple[Member, ...]

    @property
    def members(self) -> tuple[Member, ...]:
        """The members in the order of their declaration."""
        try:
            return self._members
        except AttributeError:
            pass
        records = self._records("III")
        names = self.btf._names(self, [record[0] for record in records])
        # With the kind flag an offset has the width of a bitfield in its upper 8 bits.
        mask, shift = (0xFFFFFF, 24) if self._raw.kflag else (0xFFFFFFFF, 32)
        members = tuple(
            Member(self, name, type_id, offset & mask, offset >> shift)
            for name, (_, type_id, offset) in zip(names, records, strict=True)
        )
        object.__setattr__(self, "_members", members)
        return members


class Struct(Composite):
    """A struct."""

    __slots__ = ()
    kind = Kind.STRUCT


class Union(Composite):
    """A union."""

    __slots__ = ()
    kind = Kind.UNION


class Enum(_Sized):
    """An enum. One with 64-bit values is of kind ENUM64, class Enum64."""

    __slots__ = ("_values",)
    kind = Kind.ENUM

    _values: tuple[Enumerator, ...]

    @property
    def signed(self) -> bool:
        """Whether its values have a sign. BTF says so since 6.0; older kernels and compilers, clang 14
        among them, leave it out, and a negative value then appears as a large one."""
        return self._raw.kflag

    @property
    def values(self) -> tuple[Enumerator, ...]:
        """The enumerators in the order of their declaration."""
        try:
            return self._values
        except AttributeError:
            pass
        records = self._enumerators()
        names = self.btf._names(self, [name for name, _ in records])
        values = tuple(Enumerator(name, value) for name, (_, value) in zip(names, records, strict=True))
        object.__setattr__(self, "_values", values)
        return values

    def _enumerators(self) -> list[tuple[int, int]]:
        return [(name, value) for name, value in self._records("Ii" if self.signed else "II")]


class Enum64(Enum):
    """An enum with 64-bit values, since 6.0."""

    __slots__ = ()
    kind = Kind.ENUM64

    def _enumerators(self) -> list[tuple[int, int]]:
        values = []
        for name, low, high in self._records("III"):
            value = high << 32 | low
            values.append((name, value - (1 << 64) if self.signed and value >> 63 else value))
        return values


class FuncProto(Type):
    """The type of a function."""

    __slots__ = ("_params",)
    kind = Kind.FUNC_PROTO

    _params: tuple[Param, ...]

    @property
    def return_type_id(self) -> int:
        """Id of the type it returns; 0, void, for none."""
        return self._raw.size_or_type

    @property
    def return_type(self) -> Type:
        """The type it returns."""
        return self.btf._refer(self, self.return_type_id)

    @property
    def params(self) -> tuple[Param, ...]:
        """The parameters, with their names where the compiler gave them."""
        try:
            return self._params
        except AttributeError:
            pass
        records = self._records("II")
        names = self.btf._names(self, [record[0] for record in records])
        params = tuple(Param(self, name, type_id) for name, (_, type_id) in zip(names, records, strict=True))
        object.__setattr__(self, "_params", params)
        return params


class DataSec(_Sized):
    """A section of variables, ".bss"."""

    __slots__ = ("_variables",)
    kind = Kind.DATASEC

    _variables: tuple[VarSecInfo, ...]

    @property
    def variables(self) -> tuple[VarSecInfo, ...]:
        """The variables and where they lie."""
        try:
            return self._variables
        except AttributeError:
            pass
        variables = tuple(
            VarSecInfo(self, self.btf._refer(self, type_id).name, type_id, offset, size)
            for type_id, offset, size in self._records("III")
        )
        object.__setattr__(self, "_variables", variables)
        return variables


def _linkage(of: Type, value: int) -> Linkage:
    try:
        return Linkage(value)
    except ValueError:
        raise malformed(f"type [{of.id}]", f"it has an unknown linkage, {value}") from None


# A value of these is one of their type. A typedef's is as well, but has a name.
MODIFIERS = (Const, Volatile, Restrict, TypeTag, Var)

CLASS_OF_KIND: dict[int, type[Type]] = {
    cls.kind: cls
    for cls in (
        *(Void, Int, Ptr, Array, Struct, Union, Enum, Fwd, Typedef, Volatile, Const, Restrict),
        *(Func, FuncProto, Var, DataSec, Float, DeclTag, TypeTag, Enum64),
    )
}

# Bytes behind struct btf_type: a fixed part, and a part for each of vlen.
_TAIL: dict[int, tuple[int, int]] = {
    Kind.INT: (4, 0),
    Kind.ARRAY: (12, 0),
    Kind.STRUCT: (0, 12),
    Kind.UNION: (0, 12),
    Kind.ENUM: (0, 8),
    Kind.FUNC_PROTO: (0, 8),
    Kind.VAR: (4, 0),
    Kind.DATASEC: (0, 12),
    Kind.DECL_TAG: (4, 0),
    Kind.ENUM64: (0, 12),
}


def tail_size(info: int) -> int:
    """How many bytes of a type follow its struct btf_type, from the `info` of that."""
    fixed, each = _TAIL.get(info >> 24 & 0x1F, (0, 0))
    return fixed + each * (info & 0xFFFF)


def decode(btf: Btf, type_id: int, raw: Raw) -> Type:
    """The object for a type."""
    kind = raw.info >> 24 & 0x1F
    cls = CLASS_OF_KIND.get(kind)
    if cls is None:
        raise malformed(f"type [{type_id}]", f"it is of kind {kind}, which this libbpf does not know")
    return cls(btf, type_id, raw)


def kind_of(kind: Kind | int | str) -> Kind:
    """A kind from itself, its number or its name in any case: "struct"."""
    if isinstance(kind, str):
        try:
            return Kind[kind.upper()]
        except KeyError:
            known = ", ".join(member.name.lower() for member in Kind)
            raise ValueError(f"{kind!r} is no kind of BTF type; there are {known}") from None
    return Kind(kind)
