# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""[tool.pylibbpf] of a pyproject.toml: which skeletons a package has, and how they are compiled."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple


class Settings(NamedTuple):
    """The table [tool.pylibbpf]. Paths are relative to the project, with slashes.

    Attributes:
        skeletons: sources of BPF programs, or patterns of them ("src/*/*.bpf.c"). Beside tool.bpf.c the
            package gets the module tool_skel.
        include: directories with headers.
        cflags: more options for clang.
        clang: the compiler, by default that of the variable CLANG, else "clang".
        vmlinux: a vmlinux.h to compile with, by default one that is made of the building machine's kernel.
        platform: the wheel's platform: that of the building machine by default, as the programs may read its
            registers; "any" if they do not.
    """

    skeletons: list[str]
    include: list[str]
    cflags: list[str]
    clang: str
    vmlinux: str
    platform: str


_LISTS = ("skeletons", "include", "cflags")


class SettingsError(ValueError):
    """The table cannot be used. The message says what is wrong with it."""


def read_settings(path: str = "pyproject.toml") -> Settings | None:
    """The table of a project; None if it has none."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return None
    if b"pylibbpf" not in content:
        return None
    table = _parse(content.decode()).get("tool", {}).get("pylibbpf")
    return None if table is None else _settings(table)


def _parse(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        # What setuptools itself reads the file with.
        from setuptools.compat.py310 import tomllib  # type: ignore[import-not-found]
    found: dict[str, Any] = tomllib.loads(text)
    return found


def _settings(table: dict[str, Any]) -> Settings:
    values: dict[str, Any] = {}
    for name in Settings._fields:
        default: Any = [] if name in _LISTS else ""
        value = values[name] = table.get(name, default)
        fits = isinstance(value, type(default)) and all(isinstance(each, str) for each in value)
        if not fits:
            kind = "a list of strings" if default == [] else "a string"
            raise SettingsError(f"[tool.pylibbpf] {name} must be {kind}")
    unknown = [name for name in table if name not in values]
    if unknown:
        known = ", ".join(values)
        raise SettingsError(f"[tool.pylibbpf] has no {', '.join(unknown)}; it has {known}")
    if not values["skeletons"]:
        raise SettingsError('[tool.pylibbpf] skeletons must name a source: ["src/tool/tool.bpf.c"]')
    return Settings(**values)
