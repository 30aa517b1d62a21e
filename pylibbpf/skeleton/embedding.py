# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The object in a skeleton: bytes to text and back, and the classes that its BTF lays out."""

from __future__ import annotations

import base64
import sys
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ..btf.codec import EnumCodec
    from ..btf.layout import StructCodec
    from ..object import Object
    from .members import Maps, Programs
    from .skeleton import Skeleton
    from .variables import Variables

# Characters of a line: as long as those of code.
_WIDTH = 88


class Embedded(NamedTuple):
    """What `embed` found in a skeleton.

    Attributes:
        name: the object's name.
        image: the object file.
        programs, maps, variables: the classes of the skeleton's attributes.
        codecs: those of its types, by the ids of the object's BTF. Every object that the skeleton opens
            shares them, and so the classes of its structs.
    """

    name: str
    image: bytes
    programs: type[Programs]
    maps: type[Maps]
    variables: type[Variables]
    codecs: dict[object, Any]

    def bind(self, obj: Object) -> None:
        """Makes an object that was opened from the image use the codecs."""
        if obj.btf is not None:
            obj.btf._codecs.update(self.codecs)


def embed(
    skeleton: type[Skeleton],
    *,
    name: str,
    programs: type[Programs],
    maps: type[Maps],
    variables: type[Variables],
    types: Mapping[str, int],
    image: str,
) -> None:
    """Puts an object into the skeleton that was made from it, at the end of the skeleton's module.

    The struct classes of the module are replaced by those that the object's BTF lays out, and the codecs of
    its enums get the enum classes of the module.

    Args:
        skeleton: the class.
        name: the object's name.
        programs, maps, variables: the classes of the skeleton's attributes.
        types: the module's classes by name, with the ids of their types in the object's BTF.
        image: the object, as `to_text` writes it.
    """
    data = from_text(image)
    skeleton._embedded = Embedded(
        name, data, programs, maps, variables, _codecs(sys.modules[skeleton.__module__], types, data)
    )


def _codecs(module: Any, types: Mapping[str, int], image: bytes) -> dict[object, Any]:
    """The codecs of the types of a module, whose classes it gets."""
    if not types:
        return {}
    from ..btf import Btf
    from ..btf.codec import EnumCodec
    from ..elf import section

    with Btf.from_bytes(section(image, ".BTF") or b"") as btf:
        for name, type_id in types.items():
            codec: Any = btf.codec(type_id)
            declared = getattr(module, name)
            if isinstance(codec, EnumCodec):
                _use_enum(codec, declared)
            else:
                setattr(module, name, _named_as(codec, declared))
        return dict(btf._codecs)


def _use_enum(codec: EnumCodec, declared: Any) -> None:
    codec.__dict__["enum"] = declared  # in the place of its cached property


def _named_as(codec: StructCodec, declared: type[Any]) -> type[Any]:
    """The class of a codec, with the names of the declaration."""
    from .aliases import add_aliases

    made = codec.cls
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
        setattr(made, attribute, getattr(declared, attribute))
    if codec.label in ("struct", "union"):
        codec.label = declared.__name__
    add_aliases(made)
    return made


def to_text(image: bytes) -> str:
    """An object as lines of text."""
    text = base64.b85encode(zlib.compress(image, 9)).decode()
    return "\n".join(text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH))


def from_text(text: str) -> bytes:
    """The object in lines of text."""
    return zlib.decompress(base64.b85decode("".join(text.split())))
