# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Addresses to names: of the kernel, of BPF programs, and of processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Every public name and the module it lives in, imported when the name is asked for.
_HOME = {
    "FileSymbols": "file",
    "Frame": "symbol",
    "KernelSymbols": "kernel",
    "Mapping": "process",
    "ProcessSymbols": "process",
    "SourceLine": "symbol",
    "Symbol": "symbol",
    "addresses_of_stack": "stack",
    "build_id_stack": "stack",
}

if TYPE_CHECKING:
    from .file import FileSymbols
    from .kernel import KernelSymbols
    from .process import Mapping, ProcessSymbols
    from .stack import addresses_of_stack, build_id_stack
    from .symbol import Frame, SourceLine, Symbol

__all__ = [
    "FileSymbols",
    "Frame",
    "KernelSymbols",
    "Mapping",
    "ProcessSymbols",
    "SourceLine",
    "Symbol",
    "addresses_of_stack",
    "build_id_stack",
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
