# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Skeletons: typed Python modules made from BPF object files, and what they are made of.

`generate` makes the source of one, as `pylibbpf gen skeleton` does, and `compile_object` the object. A
skeleton's class is a `Skeleton`, and its attributes are `Programs`, `Maps` and `Variables`. What else is here
stands in generated modules only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# Every public name and the module it lives in, imported when the name is asked for: setuptools imports this
# package in builds that have nothing to do with BPF.
_HOME = {
    **dict.fromkeys(("Array", "Elements", "Initial", "Items", "Struct", "Union"), "declarations"),
    **dict.fromkeys(("EnumValue", "Opaque"), "declarations"),
    **dict.fromkeys(("Maps", "Programs"), "members"),
    **dict.fromkeys(("Constant", "Global", "Variables"), "variables"),
    "CompileError": "compiler",
    "compile_object": "compiler",
    "Skeleton": "skeleton",
    "embed": "embedding",
    "named": "members",
    "generate": "module",
}

if TYPE_CHECKING:
    from .compiler import CompileError, compile_object

    # For generated modules.
    from .declarations import Array as Array
    from .declarations import Elements as Elements
    from .declarations import EnumValue as EnumValue
    from .declarations import Initial as Initial
    from .declarations import Items as Items
    from .declarations import Opaque as Opaque
    from .declarations import Struct as Struct
    from .declarations import Union as Union
    from .embedding import embed as embed
    from .members import Maps, Programs
    from .members import named as named
    from .module import generate
    from .skeleton import Skeleton
    from .variables import Constant as Constant
    from .variables import Global as Global
    from .variables import Variables

__all__ = [
    "CompileError",
    "Maps",
    "Programs",
    "Skeleton",
    "Variables",
    "compile_object",
    "generate",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
