# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The types of an object as annotations, and the classes that these need.

What is annotated is what the codecs of `pylibbpf.btf` give and take: all is asked of them, and nothing but
names is read from BTF a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..btf.codec import (
    ArrayCodec,
    BoolCodec,
    BytesCodec,
    CharArrayCodec,
    Codec,
    EnumCodec,
    FloatCodec,
    IntCodec,
    OpaqueCodec,
    WideIntCodec,
)
from ..btf.layout import BitField, StructCodec
from ..btf.types import Composite, Enum, Ptr, Typedef
from .aliases import field_attributes
from .layout import unhidden
from .naming import Names, class_name, member

if TYPE_CHECKING:
    from ..btf import Btf
    from ..btf.layout import Field


class Declared(NamedTuple):
    """A class of a skeleton.

    Attributes:
        name: its name.
        codec: the codec that it is the class of.
        type_id: the id of a type that has this codec.
    """

    name: str
    codec: StructCodec | EnumCodec
    type_id: int


class FieldText(NamedTuple):
    """A field of a struct, as its class declares it.

    Attributes:
        name: the attribute.
        read: the annotation of the attribute.
        written: the annotation of what it is set to; "" if that is the kernel's alone.
        comment: its type in C.
    """

    name: str
    read: str
    written: str
    comment: str


class Types:
    """The types that a skeleton uses.

    Args:
        btf: the object's types; None for an object without BTF, all of whose values are bytes.
        names: the names of the module, where those of the classes are taken.

    Attributes:
        classes: the classes, in the order in which they were come upon.
    """

    def __init__(self, btf: Btf | None, names: Names) -> None:
        self._btf = btf
        self._names = names
        self._declared: dict[Codec, Declared] = {}

    @property
    def classes(self) -> list[Declared]:
        return list(self._declared.values())

    # --- annotations ------------------------------------------------------------------

    def value(self, codec: Codec, of: tuple[str, ...]) -> str:
        """The annotation of a value that owns its memory.

        Args:
            codec: its codec.
            of: what it is the value of, for the name of a class that C has no name for.
        """
        if isinstance(codec, ArrayCodec):
            return f"list[{self.value(codec.element, of)}]"
        return self._single(codec, of)

    def written(self, codec: Codec, of: tuple[str, ...]) -> str:
        """The annotation of what a value is set to."""
        if isinstance(codec, ArrayCodec):
            return f"skeleton.Items[{self.written(codec.element, of)}]"
        return self._single(codec, of)

    def _shared(self, kind: str, codec: Codec, of: tuple[str, ...]) -> str:
        """The annotation of a value in a struct, whose memory it shares if it is an array."""
        if not isinstance(codec, ArrayCodec):
            return self._single(codec, of)
        read, written = self._shared("Elements", codec.element, of), self.written(codec.element, of)
        # The type variable's default, where both are the same.
        both = read if read == written else f"{read}, {written}"
        return f"skeleton.{kind}[{both}]"

    def _single(self, codec: Codec, of: tuple[str, ...]) -> str:
        if isinstance(codec, StructCodec):
            return self.declare(codec, of).name
        if isinstance(codec, EnumCodec):
            return f"{self.declare(codec, of).name} | int"
        if isinstance(codec, (IntCodec, WideIntCodec)):
            return "int"
        if isinstance(codec, BoolCodec):
            return "bool"
        if isinstance(codec, FloatCodec):
            return "float"
        if isinstance(codec, OpaqueCodec):
            return "skeleton.Opaque"
        if isinstance(codec, (BytesCodec, CharArrayCodec)):
            return "bytes"
        raise AssertionError(f"no annotation for {codec!r}")

    # --- classes ----------------------------------------------------------------------

    def declare(self, codec: StructCodec | EnumCodec, of: tuple[str, ...]) -> Declared:
        """The class of a struct, union or enum, which has a name from now on, as those of its fields have."""
        declared = self._declared.get(codec)
        if declared is None:
            type_id, name = self._identify(codec)
            words = (name,) if name else of
            called = class_name(*words)
            declared = Declared(self._names.take(called, class_name(*words, _keyword(codec))), codec, type_id)
            self._declared[codec] = declared
            if isinstance(codec, StructCodec):
                self.fields(declared)
        return declared

    def _identify(self, codec: Codec) -> tuple[int, str]:
        """The id of a type that has a codec, and its name: its own, else that of a typedef, else none."""
        btf = self._known_btf()
        ids = sorted(id for id, known in btf._codecs.items() if known is codec and isinstance(id, int))
        types = [btf[id] for id in ids]
        for kind in ((Composite, Enum), (Typedef,)):
            for found in types:
                if isinstance(found, kind) and found.name:
                    return found.id, found.name
        return ids[0], ""

    def fields(self, declared: Declared) -> list[FieldText]:
        """The fields of a struct or union, those of anonymous members among them."""
        codec = declared.codec
        assert isinstance(codec, StructCodec)
        attributes = field_attributes(codec.fields)
        taken = set(attributes.values())
        return [
            self._field(field, attributes[name], declared.name, taken) for name, field in codec.fields.items()
        ]

    def _field(self, field: Field, name: str, struct: str, taken: set[str]) -> FieldText:
        codec, of = field.codec, (struct, field.name)
        written = "" if isinstance(codec, OpaqueCodec) else self.written(codec, of)
        read = self._shared("Array", codec, of)
        comment = codec.name
        if isinstance(field, BitField):
            comment = f"{comment} : {field.width}"
        elif isinstance(codec, (StructCodec, EnumCodec)):
            comment = ""  # the annotation says it
        return FieldText(name, unhidden(read, taken), unhidden(written, taken), comment)

    def declare_pointed(self, variable: str, type_id: int) -> None:
        """Declares the struct that a global pointer points to: in C that is how a type which no map and no
        variable has, that of the records of a ring buffer, is kept in the object's BTF."""
        btf = self._known_btf()
        pointer = btf.resolve(type_id)
        if not isinstance(pointer, Ptr) or not pointer.type_id:
            return
        target = btf.resolve(pointer.type)
        if isinstance(target, (Composite, Enum)) and target.size:
            self.declare_type(target.id, variable)

    def declare_type(self, type_id: int, of: str) -> None:
        """Declares a struct, union or enum."""
        btf = self._known_btf()
        codec = btf.codec(type_id)
        if not isinstance(codec, (StructCodec, EnumCodec)):
            raise TypeError(f"{btf[type_id]} is no struct, union or enum")
        self.declare(codec, (of,))

    def _known_btf(self) -> Btf:
        assert self._btf is not None
        return self._btf


def _keyword(codec: Codec) -> str:
    """What C has in front of the name of a type."""
    if isinstance(codec, EnumCodec):
        return "enum"
    return "union" if isinstance(codec, StructCodec) and codec.union else "struct"


def enumerators(codec: EnumCodec) -> list[tuple[str, int]]:
    """The members of an enum's class."""
    # As in the class that the codec would make by itself, but for names that Python has no place for there.
    members = codec.enum.__members__
    names = Names(name for name in members if member(name) == name)
    return [
        (name if member(name) == name else names.take(member(name)), int(value))
        for name, value in members.items()
    ]
