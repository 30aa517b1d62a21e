# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The source of a skeleton."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from keyword import iskeyword
from typing import TYPE_CHECKING, NamedTuple

from ..btf.codec import EnumCodec
from ..btf.layout import StructCodec
from ..btf.types import Composite
from ..linker import Linker
from ..object import Object
from .elements import element_codecs
from .embedding import to_text
from .layout import annotated, class_text, embedding, initialiser, printable, string, unbreakable, unhidden
from .members import Maps, Programs
from .naming import USED, Names, class_name, member
from .types import Declared, Types, enumerators
from .variables import Variables

if TYPE_CHECKING:
    from .._native import StrPath
    from ..maps import Map, Variable


def generate(source: StrPath, *, name: str = "", types: Iterable[str] = ()) -> str:
    """Makes the source of a skeleton: a typed module with the object in it.

    The module imports nothing but pylibbpf, and is laid out as `ruff format` would. The same object gives
    the same text.

    Args:
        source: the object file. What libbpf does not need of it, such as DWARF, is left out.
        name: the name of the skeleton's class, by default that of the file: "Tool" for tool.bpf.o.
        types: names of types that get a class though no map and no variable is of them, "struct event".

    Raises:
        NotFoundError: there is no such file.
        FormatError: it is no BPF object.
        NameNotFoundError: the object's BTF has no type of a name.
        TypeError: a type is no struct, union or enum.
        ValueError: the name is none for a class.

    libbpf: bpf_object__open, bpf_linker__add_file.
    """
    if name and (not name.isidentifier() or iskeyword(name)):
        raise ValueError(f"{name!r} cannot be the name of a class")
    with Object.open(source) as original:
        object_name, has_types = original.name, original.btf is not None
    image = _linked(source) if has_types else _read(source)
    with Object.open(image, name=object_name) as obj:
        return _Module(obj, name or class_name(object_name), tuple(types)).text(
            os.path.basename(os.fsdecode(source)), image
        )


def _read(source: StrPath) -> bytes:
    """The object as it is: the linker takes none without BTF."""
    with open(source, "rb") as file:
        return file.read()


def _linked(source: StrPath) -> bytes:
    """The object as libbpf's linker writes it: without DWARF, which is most of a file."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "linked.bpf.o")
        with Linker(path) as linker:
            linker.add(source)
        with open(path, "rb") as file:
            return file.read()


class _Member(NamedTuple):
    """An attribute for a program, map or variable.

    Attributes:
        name: its name.
        annotation: its type, without arguments.
        arguments: those of the type.
        comment: what C says of it.
        value: the expression that it is set to.
    """

    name: str
    annotation: str
    arguments: tuple[str, ...] = ()
    comment: str = ""
    value: str = ""


def _lines(members: Iterable[_Member]) -> list[str]:
    members = list(members)
    names = {member.name for member in members}
    return [
        annotated(
            member.name,
            member.annotation,
            member.comment,
            arguments=[unhidden(argument, names) for argument in member.arguments],
            value=member.value,
        )
        for member in members
    ]


def _named(attribute: str, name: str) -> str:
    """What an attribute is set to: nothing, where C calls it the same."""
    return "" if attribute == name else f"skeleton.named({string(name)})"


class _Module:
    """The module of one object."""

    def __init__(self, obj: Object, name: str, types: tuple[str, ...]) -> None:
        self._obj = obj
        names = Names(("annotations", *USED, *self._members()))
        self._class, self._programs, self._maps, self._variables = (
            names.take(f"{name}{part}") for part in ("", "Programs", "Maps", "Variables")
        )
        self._types = Types(obj.btf, names)
        self._program_lines = _lines(self._program_members())
        self._map_lines = _lines(self._map_members())
        self._variable_lines = _lines(self._variable_members())
        for wanted in types:
            self._declare(wanted)

    def _members(self) -> Iterator[str]:
        """Every name that an attribute could have: in the body of a class it would hide a class."""
        yield from self._obj.programs
        yield from self._obj.maps
        yield from self._obj.variables
        for type in self._obj.btf or ():
            if isinstance(type, Composite):
                yield from (member.name for member in type.members)

    def _declare(self, wanted: str) -> None:
        if self._obj.btf is None:
            raise ValueError(f"there is no {wanted}: the object was compiled without BTF (clang -g)")
        self._types.declare_type(self._obj.btf.find(wanted).id, wanted)

    # --- what the object has --------------------------------------------------------------

    def _program_members(self) -> Iterator[_Member]:
        names = Names(dir(Programs))
        for program in self._obj.programs.values():
            wanted = member(program.name)
            name = names.take(wanted, f"{wanted}_")
            kind = f"programs.{type(program).__name__}"
            yield _Member(name, kind, comment=f'SEC("{program.section}")', value=_named(name, program.name))

    def _map_members(self) -> Iterator[_Member]:
        names = Names(dir(Maps))
        # A map of global data gives way to one that the author of the programs has called so.
        for map in sorted(self._obj.maps.values(), key=lambda map: map._internal):
            wanted = member(_section_name(map) if map._internal else map.name)
            name = names.take(wanted, f"{wanted}_")
            kind = f"maps.{type(map).__name__}"
            yield _Member(name, kind, tuple(self._arguments(map)), value=_named(name, map.name))

    def _arguments(self, map: Map) -> list[str]:
        """The types of a map's keys and values, as far as its class has parameters."""
        parameters = [parameter.__name__ for parameter in getattr(type(map), "__parameters__", ())]
        if not parameters:
            return []
        key, value = element_codecs(map)
        codecs = {"K": (key, "key"), "V": (value, "value")}
        return [self._types.value(codecs[name][0], (map.name, codecs[name][1])) for name in parameters]

    def _variable_members(self) -> Iterator[_Member]:
        names = Names(dir(Variables))
        self._obj.variables  # noqa: B018 - which reads the sections
        for map in self._obj.maps.values():
            seen: dict[str, int] = {}
            for variable in map._section.variables if map._section is not None else ():
                index = seen[variable.name] = seen.get(variable.name, -1) + 1
                # The formats that bpf_printk and its like put there.
                if "____fmt" not in variable.name:
                    wanted = member(variable.name)
                    yield self._variable(variable, names.take(wanted, f"{wanted}_"), index)

    def _variable(self, variable: Variable, name: str, index: int) -> _Member:
        codec, types, of = variable._codec(), self._types, (variable.name,)
        types.declare_pointed(variable.name, variable._type_id)
        arguments = [types.value(codec, of)]
        kind = "Constant" if variable.section == ".kconfig" else "Global"
        if kind == "Global" and (written := types.written(codec, of)) != arguments[0]:
            arguments.append(written)
        values = [string(variable.section)]
        if index or name != variable.name:
            values.append(string(variable.name))
        if index:
            values.append(str(index))
        comment = "" if isinstance(codec, (EnumCodec, StructCodec)) else codec.name
        declared = f"skeleton.{kind}"
        return _Member(name, declared, tuple(arguments), comment, f"{declared}({', '.join(values)})")

    # --- text -----------------------------------------------------------------------------

    def text(self, file: str, image: bytes) -> str:
        """The source."""
        shown = printable(file)
        declared = self._types.classes
        imported = [
            *(["maps"] if self._obj.maps else []),
            *(["programs"] if self._obj.programs else []),
            "skeleton",
        ]
        parts = [
            *(f"\n{self._class_of(each)}" for each in declared),
            "\n" + class_text(self._programs, "Programs", f"The programs of {shown}.", self._program_lines),
            "\n" + class_text(self._maps, "Maps", f"The maps of {shown}.", self._map_lines),
            "\n"
            + class_text(
                self._variables,
                "Variables",
                f"The global variables of {shown}.",
                self._variable_lines,
            ),
            "\n"
            + class_text(
                self._class,
                "Skeleton",
                f"The object {shown}.",
                [
                    f"programs: {self._programs}",
                    f"maps: {self._maps}",
                    f"variables: {self._variables}",
                ],
            ),
            "\n" + self._embedding(declared, image),
        ]
        body = "\n".join(parts)
        head = [
            f"# Made from {shown} by `pylibbpf gen skeleton`: do not edit.\n"
            f'"""The BPF object {shown}: its programs, maps, variables and types, and itself."""\n',
            # Only names of forty letters and more make lines that long.
            *(["# fmt: off\n"] if unbreakable(body) else []),
            "from __future__ import annotations\n",
            *(["import builtins\n"] if "builtins." in body else []),
            f"from pylibbpf import {', '.join(imported)}\n",
        ]
        return "\n".join([*head, body])

    def _class_of(self, declared: Declared) -> str:
        codec = declared.codec
        shown = f"{printable(codec.name)}, {codec.size} bytes."
        if isinstance(codec, EnumCodec):
            members = [f"{name} = {value}" for name, value in enumerators(codec)]
            return class_text(declared.name, "EnumValue", shown, members)
        fields = self._types.fields(declared)
        lines = [annotated(field.name, field.read, field.comment) for field in fields]
        lines += [*([""] if lines else []), initialiser(fields)]
        return class_text(declared.name, "Union" if codec.union else "Struct", shown, lines)

    def _embedding(self, declared: list[Declared], image: bytes) -> str:
        types = {each.name: each.type_id for each in declared}
        return embedding(
            self._class,
            {
                "name": string(self._obj.name),
                "programs": self._programs,
                "maps": self._maps,
                "variables": self._variables,
            },
            types,
            to_text(image),
        )


def _section_name(map: Map) -> str:
    """The section of a map of global data: libbpf puts the object's name in front of the usual ones."""
    return map.name[map.name.index(".") :]
