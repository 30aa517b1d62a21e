# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BTF: types, C source from them, and Python values by them.

`Btf` is the way in: `Btf.vmlinux().find("struct task_struct")`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .btf import Btf
from .types import (
    Array,
    Composite,
    Const,
    DataSec,
    DeclTag,
    Enum,
    Enum64,
    Enumerator,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Kind,
    Linkage,
    Member,
    Param,
    Ptr,
    Restrict,
    Struct,
    Type,
    Typedef,
    TypeTag,
    Union,
    Var,
    VarSecInfo,
    Void,
    Volatile,
)

if TYPE_CHECKING:
    from .build import BtfBuilder
    from .codec import Codec, Opaque, bytes_codec, codec_for
    from .ext import BtfExt
    from .field import FoundField, MapTypes
    from .load import LoadedBtf
    from .structs import ArrayValue, StructValue, UnionValue

# Loaded when asked for: structs brings ctypes.
_LAZY = {
    "Codec": "codec",
    "Opaque": "codec",
    "bytes_codec": "codec",
    "codec_for": "codec",
    "BtfBuilder": "build",
    "BtfExt": "ext",
    "FoundField": "field",
    "MapTypes": "field",
    "LoadedBtf": "load",
    "ArrayValue": "structs",
    "StructValue": "structs",
    "UnionValue": "structs",
}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{module}", __name__), name)


__all__ = [
    "Array",
    "ArrayValue",
    "Btf",
    "BtfBuilder",
    "BtfExt",
    "Codec",
    "Composite",
    "Const",
    "DataSec",
    "DeclTag",
    "Enum",
    "Enum64",
    "Enumerator",
    "Float",
    "FoundField",
    "Func",
    "FuncProto",
    "Fwd",
    "Int",
    "Kind",
    "Linkage",
    "LoadedBtf",
    "MapTypes",
    "Member",
    "Opaque",
    "Param",
    "Ptr",
    "Restrict",
    "Struct",
    "StructValue",
    "Type",
    "TypeTag",
    "Typedef",
    "Union",
    "UnionValue",
    "Var",
    "VarSecInfo",
    "Void",
    "Volatile",
    "bytes_codec",
    "codec_for",
]


def __dir__() -> list[str]:
    return sorted(__all__)
