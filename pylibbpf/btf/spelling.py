# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How C spells a type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ClosedError, FormatError
from .types import (
    Array,
    Composite,
    Const,
    DataSec,
    DeclTag,
    Enum,
    Enum64,
    Func,
    FuncProto,
    Fwd,
    Ptr,
    Restrict,
    Struct,
    Type,
    Typedef,
    TypeTag,
    Union,
    Var,
    Void,
    Volatile,
    _Reference,
)

if TYPE_CHECKING:
    from .btf import Btf

# What a description shows of members, values or parameters.
SHOWN = 8

# How long a chain of types is followed: what goes on longer makes no sense.
_MAX_DEPTH = 64


def declare(of: Type, name: str = "") -> str:
    """A type as C spells it; with a name, the declaration of a variable of that type."""
    try:
        return _declare(of, name, _MAX_DEPTH)
    except (ClosedError, FormatError):
        return _joined(f"/* type [{of.id}] */", name)


def declare_id(btf: Btf, type_id: int, name: str = "") -> str:
    """As `declare`, for what may be no type at all, or of a closed Btf."""
    return _declare_id(btf, type_id, name, _MAX_DEPTH)


def _declare_id(btf: Btf, type_id: int, name: str, depth: int) -> str:
    try:
        return _declare(btf[type_id], name, depth)
    except (ClosedError, FormatError, IndexError):
        return _joined(f"/* type [{type_id}] */", name)


def _joined(specifier: str, name: str) -> str:
    return f"{specifier} {name}" if name and name[0] != "[" else f"{specifier}{name}"


def _declare(of: Type, name: str, depth: int) -> str:
    # From the outside in: the name grows into the declarator "(*name[4])(int)".
    if depth == 0:
        return _joined("/* and more */", name)
    make = _SPELLING.get(type(of))
    if make is not None:
        return make(of, name, depth - 1)
    return _joined(of.name or f"/* type [{of.id}] */", name)


def _declare_tagged(keyword: str) -> Callable[[Any, str, int], str]:
    return lambda of, name, depth: _joined(f"{keyword} {of.name or '(anonymous)'}", name)


def _declare_modified(modifier: str) -> Callable[[Any, str, int], str]:
    def spell(of: _Reference, name: str, depth: int) -> str:
        if _is_pointer(of):  # what a pointer is stands right of the asterisk
            return _declare(of.type, _joined(modifier, name), depth)
        return f"{modifier} {_declare_id(of.btf, of.type_id, name, depth)}"

    return spell


def _is_pointer(of: Type) -> bool:
    """Whether a type is a pointer behind its modifiers."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(of, (Const, Volatile, Restrict)):
            break
        of = of.type
    return isinstance(of, Ptr)


def _declare_array(of: Array, name: str, depth: int) -> str:
    return _declare_id(of.btf, of.type_id, f"{_inner(name)}[{of.length or ''}]", depth)


def _declare_proto(of: FuncProto, name: str, depth: int) -> str:
    params = of.params
    # Parameters get less depth, or a malformed Btf would make this take for ever.
    depth //= 4
    listed = [
        _declare_id(of.btf, param.type_id, param.name, depth) if param.type_id or param.name else "..."
        for param in params[:SHOWN]
    ]
    if len(params) > SHOWN:
        listed.append(f"/* {len(params) - SHOWN} more */")
    inside = "void" if not params or listed == ["..."] else ", ".join(listed)
    return _declare_id(of.btf, of.return_type_id, f"{_inner(name)}({inside})", depth)


def _inner(name: str) -> str:
    """The declarator inside an array or function: a pointer needs parentheses there."""
    return f"({name})" if name.startswith("*") else name


_SPELLING: dict[type[Type], Callable[[Any, str, int], str]] = {
    Void: lambda of, name, depth: _joined("void", name),
    Ptr: lambda of, name, depth: _declare_id(of.btf, of.type_id, f"*{name}", depth),
    Array: _declare_array,
    Struct: _declare_tagged("struct"),
    Union: _declare_tagged("union"),
    Enum: _declare_tagged("enum"),
    Enum64: _declare_tagged("enum"),
    Fwd: lambda of, name, depth: _joined(f"{'union' if of.is_union else 'struct'} {of.name}", name),
    Volatile: _declare_modified("volatile"),
    Const: _declare_modified("const"),
    Restrict: _declare_modified("restrict"),
    TypeTag: lambda of, name, depth: _declare_id(of.btf, of.type_id, name, depth),
    Func: lambda of, name, depth: _declare_id(of.btf, of.type_id, _joined(of.name, name), depth),
    FuncProto: _declare_proto,
    Var: lambda of, name, depth: _declare_id(of.btf, of.type_id, name or of.name, depth),
    DataSec: lambda of, name, depth: f'SEC("{of.name}")',
    DeclTag: lambda of, name, depth: f'btf_decl_tag("{of.name}")',
}


def describe(of: Type) -> str:
    """A type with what is in it, as its repr shows it. Never an exception."""
    try:
        if isinstance(of, Composite):
            members = [
                f"{member} : {member.bitfield_size};" if member.bitfield_size else f"{member};"
                for member in of.members[:SHOWN]
            ]
            more = len(of.members) - SHOWN
            if more > 0:
                members.append(f"/* {more} more */")
            return f"{of} {{ {' '.join(members)} }} size={of.size}"
        if isinstance(of, Enum):
            values = [f"{name} = {value}" for name, value in of.values[:SHOWN]]
            if len(of.values) > SHOWN:
                values.append(f"/* {len(of.values) - SHOWN} more */")
            return f"{of} {{ {', '.join(values)} }} size={of.size}"
        if isinstance(of, Typedef):
            return f"typedef {declare_id(of.btf, of.type_id, of.name)}"
        return str(of)
    except (ClosedError, FormatError) as error:
        return f"{of.name or '(anonymous)'}: {type(error).__name__}"
