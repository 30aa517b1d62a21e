# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Writes pylibbpf/_libbpf.pyi, the types of the extension, from the declarations it is built from.

    python cdef/stubs.py            writes the file
    python cdef/stubs.py --check    prints what would change, and fails if something would

The same declarations give the same file. Parameters are as narrow as cffi is:
an int for integers and enums, bytes where C reads through a pointer to char or
void, a list or tuple where it reads integers, and otherwise a CData.
"""

from __future__ import annotations

import argparse
import difflib
import keyword
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cffi import FFI, model
from pycparser import c_ast  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "pylibbpf" / "_libbpf.pyi"
LINE_LENGTH = 110

HEADER = '''\
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Written by cdef/stubs.py from the declarations in cdef/. Do not edit.
# Of all this only ffi and lib can be imported when the program runs; the classes are for annotations.

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, final, overload

from typing_extensions import Buffer

@final
class CData:
    """A C value or pointer. Fields of structs are its attributes."""

    def __getattr__(self, name: str, /) -> Any: ...
    def __setattr__(self, name: str, value: Any, /) -> None: ...
    def __getitem__(self, index: int | slice, /) -> Any: ...
    def __setitem__(self, index: int | slice, value: Any, /) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __hash__(self) -> int: ...
    def __lt__(self, other: CData, /) -> bool: ...
    def __le__(self, other: CData, /) -> bool: ...
    def __gt__(self, other: CData, /) -> bool: ...
    def __ge__(self, other: CData, /) -> bool: ...
    def __add__(self, other: int, /) -> CData: ...
    def __radd__(self, other: int, /) -> CData: ...
    @overload
    def __sub__(self, other: int, /) -> CData: ...
    @overload
    def __sub__(self, other: CData, /) -> int: ...
    def __call__(self, *arguments: Any) -> Any: ...
    def __enter__(self) -> CData: ...
    def __exit__(self, *exception: object) -> None: ...

@final
class CType:
    """A C type, from ffi.typeof. Which attributes one has depends on its kind."""

    @property
    def kind(self) -> str: ...
    @property
    def cname(self) -> str: ...
    @property
    def item(self) -> CType: ...
    @property
    def length(self) -> int | None: ...
    @property
    def fields(self) -> list[tuple[str, CField]] | None: ...
    @property
    def args(self) -> tuple[CType, ...]: ...
    @property
    def result(self) -> CType: ...
    @property
    def ellipsis(self) -> bool: ...
    @property
    def abi(self) -> int: ...
    @property
    def elements(self) -> dict[int, str]: ...
    @property
    def relements(self) -> dict[str, int]: ...

@final
class CField:
    """A field of a struct or union: offset in bytes, and for a bit-field its first bit and its bits."""

    @property
    def type(self) -> CType: ...
    @property
    def offset(self) -> int: ...
    @property
    def bitshift(self) -> int: ...
    @property
    def bitsize(self) -> int: ...
    @property
    def flags(self) -> int: ...

@final
class CBuffer:
    """C memory with the buffer protocol. It keeps the memory of its CData alive."""

    def __new__(cls, cdata: CData, size: int = -1) -> CBuffer: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int | slice, /) -> bytes: ...
    def __setitem__(self, index: int | slice, value: bytes, /) -> None: ...

_CData: TypeAlias = CData
_CType: TypeAlias = CType

@final
class FFI:
    NULL: _CData
    CData: type[_CData]
    CType: type[_CType]
    buffer: type[CBuffer]
    error: type[Exception]
    errno: int

    def new(self, cdecl: str | _CType, init: Any = ...) -> _CData: ...
    def cast(self, cdecl: str | _CType, value: Any) -> _CData: ...
    def typeof(self, cdecl: str | _CData | Callable[..., Any]) -> _CType: ...
    def sizeof(self, cdecl: str | _CType | _CData) -> int: ...
    def alignof(self, cdecl: str | _CType | _CData) -> int: ...
    def offsetof(self, cdecl: str | _CType, *fields_or_indexes: str | int) -> int: ...
    def getctype(self, cdecl: str | _CType, replace_with: str = "") -> str: ...
    def list_types(self) -> tuple[list[str], list[str], list[str]]: ...
    def integer_const(self, name: str) -> int: ...
    def string(self, cdata: _CData, maxlen: int = -1) -> bytes: ...
    def unpack(self, cdata: _CData, length: int) -> Any: ...
    @overload
    def from_buffer(self, python_buffer: Buffer, require_writable: bool = False) -> _CData: ...
    @overload
    def from_buffer(
        self, cdecl: str | _CType, python_buffer: Buffer, require_writable: bool = False
    ) -> _CData: ...
    def memmove(self, dest: _CData | Buffer, src: _CData | Buffer, n: int) -> None: ...
    @overload
    def gc(self, cdata: _CData, destructor: Callable[[_CData], object], size: int = 0) -> _CData: ...
    @overload
    def gc(self, cdata: _CData, destructor: None, size: int = 0) -> None: ...
    def release(self, cdata: _CData) -> None: ...
    def addressof(self, cdata: _CData | _Lib, *fields_or_indexes: str | int) -> _CData: ...
    def new_handle(self, x: Any) -> _CData: ...
    def from_handle(self, x: _CData) -> Any: ...

'''

FOOTER = """\

ffi: FFI
lib: _Lib
"""


def is_integer(type_: Any) -> bool:
    return isinstance(type_, model.EnumType | model.UnknownIntegerType) or (
        isinstance(type_, model.PrimitiveType) and type_.is_integer_type() and type_.name != "_Bool"
    )


def value_type(type_: Any) -> str:
    """The Python type of what C returns."""
    if isinstance(type_, model.VoidType):
        return "None"
    if is_integer(type_):
        return "int"
    if isinstance(type_, model.PrimitiveType):
        return {"_Bool": "bool", "char": "bytes"}.get(type_.name, "float")
    return "CData"


def parameter_type(type_: Any) -> str:
    """The Python types that cffi accepts for a parameter."""
    if isinstance(type_, model.PointerType) and type_.quals & model.Q_CONST:
        target = type_.totype
        is_byte = isinstance(target, model.PrimitiveType) and target.name in ("char", "uint8_t", "int8_t")
        if is_byte or isinstance(target, model.VoidType):
            return "CData | bytes"
        if is_integer(target):
            return "CData | list[int] | tuple[int, ...]"
    return value_type(type_)


def signature(name: str, parameters: list[str], result: str) -> str:
    """One method, laid out as ruff format would."""
    parameters = ["self", *parameters, "/"] if parameters else ["self"]
    joined = ", ".join(parameters)
    line = f"    def {name}({joined}) -> {result}: ..."
    if len(line) <= LINE_LENGTH:
        return line
    if len(joined) + 8 <= LINE_LENGTH:
        return f"    def {name}(\n        {joined}\n    ) -> {result}: ..."
    lines = "".join(f"        {parameter},\n" for parameter in parameters)
    return f"    def {name}(\n{lines}    ) -> {result}: ..."


def parameter_names(parser: Any, declarations: str) -> dict[str, list[str]]:
    """The names that the C declarations give to the parameters of each function; cffi's types lose them."""
    names = {}
    for node in parser._parse(declarations)[0].ext:
        if isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl) and node.type.args:
            parameters = [parameter.name or f"_{i}" for i, parameter in enumerate(node.type.args.params)]
            names[node.name] = [f"{name}_" if keyword.iskeyword(name) else name for name in parameters]
    return names


def members(declarations: str) -> Iterator[str]:
    """The attributes of lib: constants, then functions, each in the order of their declaration."""
    builder: Any = FFI()
    builder.cdef(declarations)
    parser = builder._parser  # the public API shows types, and not what is declared with them
    names = parameter_names(parser, declarations)
    functions = []
    for key, (type_, _) in parser._declarations.items():
        kind, _, name = key.partition(" ")
        if isinstance(type_, model.EnumType):
            yield from (f"    {enumerator}: int" for enumerator in type_.enumerators)
        elif kind == "macro":
            yield f"    {name}: int"
        elif kind in ("constant", "variable"):
            yield f"    {name}: {value_type(type_)}"
        elif kind == "function":
            # f(void) has a nameless parameter for pycparser, and none for cffi.
            named = zip(names.get(name, ()), type_.args, strict=False)
            parameters = [f"{parameter}: {parameter_type(argument)}" for parameter, argument in named]
            functions.append(signature(name, parameters, value_type(type_.result)))
    yield from functions


def stub(declarations: str) -> str:
    return HEADER + "@final\nclass _Lib:\n" + "\n".join(members(declarations)) + "\n" + FOOTER


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    arguments.add_argument("--check", action="store_true", help="fail if the file is not up to date")
    check = arguments.parse_args().check

    sys.path.insert(0, str(ROOT))
    import build_ffi

    wanted = stub(build_ffi.declarations())
    present = STUB.read_text() if STUB.exists() else ""
    if not check:
        STUB.write_text(wanted)
        return 0
    name = str(STUB.relative_to(ROOT))
    difference = difflib.unified_diff(
        present.splitlines(keepends=True), wanted.splitlines(keepends=True), name, f"{name} (from cdef/)"
    )
    sys.stdout.writelines(difference)
    return int(present != wanted)


if __name__ == "__main__":
    sys.exit(main())
