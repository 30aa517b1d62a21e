# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The types of a map's keys and values: from the object's BTF, the kernel's, or the caller's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..btf.codec import Codec, bytes_codec
from ..btf.types import DataSec
from ..errors import FormatError, PermissionDeniedError

if TYPE_CHECKING:
    from ..btf import Btf
    from ..btf.btf import TypeSpec
    from .layout import Layout
    from .map import Map

    # Of a key and of a value on one CPU; None where nobody says.
    Codecs = tuple[Codec | None, Codec | None]


def codecs_of(map: Map) -> tuple[Codec, Codec]:
    """Codecs of a map's keys and of its values on one CPU: by BTF where there is some that fits, else bytes.

    Raises:
        PermissionDeniedError: reading the BTF of a map from a pin, id or fd takes CAP_SYS_ADMIN.
    """
    layout = map._known_layout()
    if map._codecs is None:
        map._codecs = by_btf(map)
    return sized(map._codecs, layout.key_size, layout.value_size)


def sized(codecs: Codecs, key_size: int, value_size: int) -> tuple[Codec, Codec]:
    """The codecs, and bytes in the place of those that are not of the size."""
    key, value = codecs
    # A size that was set after open makes the object's type void.
    if key is None or key.size != key_size:
        key = bytes_codec(key_size)
    if value is None or value.size != value_size:
        value = bytes_codec(value_size)
    return key, value


def by_btf(map: Map) -> Codecs:
    """The codecs of the types that a map's BTF gives its keys and values."""
    key_id, value_id = map._type_ids
    if not key_id and not value_id:
        return None, None
    if map._object is not None:
        btf = map._object.btf
        return (None, None) if btf is None else (_codec(btf, key_id), _codec(btf, value_id))
    with _kernel_btf(map._known_layout().btf_id) as btf:
        return _codec(btf, key_id), _codec(btf, value_id)


def _codec(btf: Btf, type_id: int) -> Codec | None:
    """The codec of a type; None for no type, and for the section that global data are of."""
    if not type_id or isinstance(btf[type_id], DataSec):
        return None
    return btf.codec(type_id)


def _kernel_btf(id: int) -> Btf:
    """The BTF of a map that does not come from an object."""
    from ..btf import Btf

    try:
        return Btf.from_id(id)
    except FormatError:
        # Split BTF, of a module. It keeps its base alive as long as it needs it.
        with Btf.vmlinux() as base:
            return Btf.from_id(id, base=base)
    except PermissionDeniedError as error:
        error.hint = (
            "The types of a map from a pin, an id or an fd are read by the id of its BTF, which takes "
            "CAP_SYS_ADMIN. Give them when you open it (btf=..., value_type=...), or use lookup_bytes() and "
            "its like."
        )
        raise


def given_codecs(btf: Btf | None, key_type: TypeSpec | None, value_type: TypeSpec | None) -> Codecs | None:
    """Codecs by what the caller of `Map.create` and its like says; None if it says nothing."""
    if btf is None:
        if key_type is not None or value_type is not None:
            raise TypeError("key_type and value_type need btf, where they are looked up")
        return None
    return (
        None if key_type is None else btf.codec(key_type),
        None if value_type is None else btf.codec(value_type),
    )


def fitting(codecs: Codecs | None, layout: Layout) -> Codecs | None:
    """The codecs that a caller gave, if they are of the sizes of the map."""
    for codec, size, what in zip(
        codecs or (), (layout.key_size, layout.value_size), ("key", "value"), strict=False
    ):
        if codec is not None and codec.size != size:
            raise ValueError(f"{codec.name} takes {codec.size} bytes, and the map's {what}_size is {size}")
    return codecs


def agreed_size(given: int | None, codec: Codec | None, fixed: int | None, what: str) -> int:
    """The size of a new map's key or value, from all who say something about it."""
    if codec is not None:
        if given not in (None, codec.size):
            raise ValueError(f"{what}_size is {given}, and {codec.name} takes {codec.size} bytes")
        return codec.size
    if given is not None:
        return given
    if fixed is None:
        raise TypeError(f"create needs {what}_size or {what}_type")
    return fixed
