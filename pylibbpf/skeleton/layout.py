# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How the source of a skeleton is laid out: as `ruff format` does, whatever line length it is told."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .types import FieldText

# The formatter's default. What is broken ends with a comma, so that it stays so where lines may be longer.
_WIDTH = 88
_INDENT = "    "

_BUILT_IN = re.compile(r"(?<![\w.])(?:bool|bytes|float|int|list)\b")


def printable(text: str) -> str:
    """A text that can stand in a docstring."""
    return re.sub(r'[^ -~]|["\\]', "?", text)


def string(text: str) -> str:
    """A text as a literal, in the quotes that the formatter prefers."""
    shown = repr(text)
    return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in shown else shown


def unhidden(annotation: str, attributes: Container[str]) -> str:
    """An annotation for the body of a class: attributes may be called as built-in types are."""
    return _BUILT_IN.sub(
        lambda found: f"builtins.{found[0]}" if found[0] in attributes else found[0], annotation
    )


def annotated(
    name: str, annotation: str, comment: str = "", *, arguments: Sequence[str] = (), value: str = ""
) -> str:
    """A line of a class body, or several: `name: annotation[arguments] = value  # comment`."""
    behind = f" = {value}" if value else ""
    head = f"{name}: {annotation}"
    whole = f"{head}[{', '.join(arguments)}]{behind}" if arguments else f"{head}{behind}"
    if len(_INDENT + whole) <= _WIDTH:
        return _commented(whole, comment)
    if len(arguments) > 1:
        return _exploded(f"{head}[", arguments, f"]{behind}")
    return whole


def unbreakable(source: str) -> bool:
    """Whether lines are so long that the formatter would break them, as its settings say."""
    return any(len(line) > _WIDTH for line in source.splitlines())


def _commented(line: str, comment: str) -> str:
    shown = f"{line}  # {re.sub('[^ -~]', '?', comment)}"
    return shown if comment and len(_INDENT + shown) <= _WIDTH else line


def _exploded(head: str, parts: Sequence[str], tail: str) -> str:
    return "\n".join([head, *(f"{_INDENT}{part}," for part in parts), tail])


def _bracketed(head: str, items: Sequence[str], tail: str, indent: str) -> str:
    line = f"{head}{', '.join(items)}{tail}"
    return line if len(indent + line) <= _WIDTH else _exploded(head, items, tail)


def initialiser(fields: Sequence[FieldText]) -> str:
    """The constructor of a struct, for type checkers."""
    taken = {field.name for field in fields}
    this, initial = (_free(name, taken) for name in ("self", "initial"))
    parameters = [this, f"{initial}: skeleton.Initial = ...", "/"]
    keywords = [f"{field.name}: {field.written} = ..." for field in fields if field.written]
    if keywords:
        parameters += ["*", *keywords]
    return _bracketed("def __init__(", parameters, ") -> None: ...", _INDENT)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name


def class_text(name: str, base: str, doc: str, lines: Sequence[str]) -> str:
    """A class."""
    body = [f'"""{doc}"""', *([""] if lines else []), *lines]
    return f"class {name}(skeleton.{base}):\n" + "".join(
        f"{_INDENT}{line}\n" if line else "\n" for part in body for line in part.split("\n")
    )


def embedding(skeleton: str, arguments: Mapping[str, str], types: Mapping[str, int], image: str) -> str:
    """The call that ends the module."""
    items = [f"{string(name)}: {type_id}" for name, type_id in types.items()]
    listed = _bracketed("types={", items, "}", _INDENT).replace("\n", f"\n{_INDENT}")
    lines = [
        "skeleton.embed(",
        f"{_INDENT}{skeleton},",
        *(f"{_INDENT}{name}={value}," for name, value in arguments.items()),
        f"{_INDENT}{listed},",
        f'{_INDENT}image="""',
        image,
        '""",',
        ")",
    ]
    return "\n".join(lines) + "\n"
