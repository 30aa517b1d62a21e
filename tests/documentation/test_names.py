# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the manual calls pylibbpf's is there by that name."""

from __future__ import annotations

import contextlib
import importlib
import re
from types import ModuleType

import pytest

import pylibbpf
from tests.conftest import ROOT

_NAME = re.compile(r"(?<![\w./-])(?:bpf|pylibbpf)((?:\.[A-Za-z_]\w*)+)(?![\w*])")
# Parts of the names of files.
_NOT_NAMES = {".c", ".o", ".rst", ".bpf", ".so", ".git"}


def names(text: str) -> set[str]:
    """The dotted names below `bpf` or `pylibbpf` in the literals and code of a page."""
    found = set()
    for match in _NAME.finditer(text):
        name = match[1]
        if not any(name.startswith(f"{other}.") or name == other for other in _NOT_NAMES):
            found.add(name[1:])
    return found


def is_there(name: str) -> bool:
    value: object = pylibbpf
    for part in name.split("."):
        annotations = getattr(value, "__annotations__", {})
        if isinstance(value, ModuleType):
            with contextlib.suppress(ImportError):
                importlib.import_module(f"{value.__name__}.{part}")
        if not hasattr(value, part):
            return part in annotations
        value = getattr(value, part)
    return True


@pytest.mark.host("the same on every kernel")
def test_names_that_the_manual_mentions_are_there() -> None:
    missing = {}
    for page in sorted((ROOT / "docs").rglob("*.rst")):
        wrong = sorted(name for name in names(page.read_text()) if not is_there(name))
        if wrong:
            missing[page.name] = wrong
    assert missing == {}


@pytest.mark.host("the same on every kernel")
def test_what_is_not_there_is_found() -> None:
    text = (
        "`bpf.Object.open`, `bpf.link.attach_*`, tool.bpf.c, `bpf.Object.opne` and `pylibbpf.enums.MapType`"
    )
    assert {name for name in names(text) if not is_there(name)} == {"Object.opne"}
