# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The public surface of pylibbpf: every name that may be used, with its signature, one to a line.

    python packaging/surface.py            writes packaging/surface.txt
    python packaging/surface.py --check    prints what would change, and fails if something would

A line that goes, or changes in a way that breaks a caller, needs a deprecation first: docs/releasing.rst.
"""

from __future__ import annotations

import argparse
import difflib
import enum
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECORD = Path(__file__).with_name("surface.txt")
PACKAGE = "pylibbpf"
# The way down to plain libbpf is libbpf's to keep stable.
PLAIN_LIBBPF = {"ffi", "lib"}
# Of the special methods, those that are no use of the class.
OWN_AFFAIRS = {
    "__class_getitem__",
    "__del__",
    "__dir__",
    "__getstate__",
    "__init__",
    "__init_subclass__",
    "__new__",
    "__post_init__",
    "__reduce__",
    "__reduce_ex__",
    "__replace__",
    "__repr__",
    "__set_name__",
    "__setstate__",
    "__str__",
}


def surface() -> list[str]:
    """All lines, sorted."""
    package = importlib.import_module(PACKAGE)
    modules = [value for name, value in public(package) if isinstance(value, ModuleType)]
    homes: dict[int, str] = {}
    for module in sorted(modules, key=lambda each: each.__name__):
        for name, value in public(module):
            homes.setdefault(id(value), f"{module.__name__}.{name}")
    lines = set()
    for module in [package, *modules]:
        for name, value in public(module):
            full_name = f"{module.__name__}.{name}"
            home = homes.get(id(value), full_name)
            if isinstance(value, ModuleType):
                lines.add(f"{full_name}: module")
            elif home != full_name and (inspect.isclass(value) or inspect.isroutine(value)):
                lines.add(f"{full_name} is {home}")
            else:
                lines.update(described(full_name, value, homes))
    return sorted(lines)


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public names of a module: what `__all__` has, or else the functions and classes it defines."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
        ]
    for name in names:
        if not name.startswith("_") and not (module.__name__ == PACKAGE and name in PLAIN_LIBBPF):
            yield name, getattr(module, name)


def described(full_name: str, value: Any, homes: dict[int, str]) -> Iterator[str]:
    if inspect.isclass(value):
        bases = ", ".join(
            homes.get(id(base), base.__qualname__) for base in value.__bases__ if base is not object
        )
        yield f"class {full_name}({bases})"
        yield from members(full_name, value, homes)
    elif inspect.isroutine(value):
        yield full_name + signature(value)
    else:
        yield f"{full_name}: {type(value).__name__}"


def members(full_name: str, cls: type, homes: dict[int, str]) -> Iterator[str]:
    """What a class offers, less what is from bases that have lines of their own or are not of the package."""
    if issubclass(cls, enum.Enum):
        yield from (f"{full_name}.{name} = {member.value!r}" for name, member in cls.__members__.items())
    else:
        constructor = vars(cls).get("__init__") or vars(cls).get("__new__")
        if constructor is not None and is_own(constructor):
            yield full_name + signature(constructor, bound=True)
    for name in sorted({name for base in cls.__mro__ for name in vars(base)}):
        owner = next(base for base in cls.__mro__ if name in vars(base))
        if owner is not cls and (id(owner) in homes or not owner.__module__.startswith(PACKAGE)):
            continue
        value = vars(owner)[name]
        special = name.startswith("__") and name.endswith("__")
        if name in OWN_AFFAIRS or (name.startswith("_") and not (special and is_own(value))):
            continue
        if name in getattr(cls, "__members__", ()):
            continue
        yield from member(f"{full_name}.{name}", value)


def is_own(value: Any) -> bool:
    """Whether a function stands in the package's code, or dataclasses made it for a class of the package."""
    function = inspect.unwrap(value) if callable(value) else getattr(value, "__func__", value)
    return inspect.isfunction(function) and function.__module__.startswith(PACKAGE)


def member(full_name: str, value: Any) -> Iterator[str]:
    if isinstance(value, property):
        returned = getattr(value.fget, "__annotations__", {}).get("return", "Any")
        yield f"{full_name}: {returned}" + ("" if value.fset is None else " (writable)")
    elif isinstance(value, classmethod | staticmethod):
        kind = type(value).__name__
        yield f"{kind} {full_name}{signature(value.__func__, bound=kind == 'classmethod')}"
    elif inspect.isfunction(value):
        yield full_name + signature(value, bound=True)
    else:
        yield f"{full_name}: attribute"


def signature(function: Callable[..., Any], *, bound: bool = False) -> str:
    """A signature, its annotations as in the source: what Python makes of them changes with its version."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return "(...)"
    words = []
    kind = None
    for parameter in list(found.parameters.values())[int(bound) :]:
        if kind is parameter.POSITIONAL_ONLY is not parameter.kind:
            words.append("/")
        if parameter.kind is parameter.KEYWORD_ONLY and kind not in (
            parameter.KEYWORD_ONLY,
            parameter.VAR_POSITIONAL,
        ):
            words.append("*")
        kind = parameter.kind
        words.append(argument(parameter))
    if kind is inspect.Parameter.POSITIONAL_ONLY:
        words.append("/")
    returned = "" if found.return_annotation is found.empty else f" -> {annotation(found.return_annotation)}"
    return f"({', '.join(words)}){returned}"


def argument(parameter: inspect.Parameter) -> str:
    # "*arguments" and "**options"; a default is left to what follows.
    text = str(parameter.replace(annotation=parameter.empty, default=parameter.empty))
    if parameter.annotation is not parameter.empty:
        text += f": {annotation(parameter.annotation)}"
    return text if parameter.default is parameter.empty else f"{text} = {default(parameter.default)}"


def annotation(value: Any) -> str:
    return value if isinstance(value, str) else getattr(value, "__qualname__", type(value).__name__)


def default(value: Any) -> str:
    """A default, without addresses and without what only the newer Pythons write."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}({value.value!r})"
    plain = value is None or isinstance(value, bool | int | float | str | bytes)
    return repr(value) if plain or value == () else f"<{type(value).__name__}>"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    found = "".join(f"{line}\n" for line in surface())
    if not parser.parse_args().check:
        RECORD.write_text(found)
        return
    recorded = RECORD.read_text()
    if recorded == found:
        return
    difference = difflib.unified_diff(
        recorded.splitlines(), found.splitlines(), "recorded", "found", n=0, lineterm=""
    )
    print("\n".join(difference))
    sys.exit("The public surface has changed. If it should: see docs/releasing.rst, then run `make surface`.")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
