# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The record of the public surface: which lines a class, an enum and a function get."""

from __future__ import annotations

import enum
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.host("nothing here depends on the kernel")


@pytest.fixture(scope="module")
def surface() -> ModuleType:
    spec = importlib.util.spec_from_file_location("surface", ROOT / "packaging/surface.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Color(enum.IntEnum):
    RED = 1


def function(first: int, /, second: str | None = None, *rest: bytes, third: Color = Color.RED) -> None:
    pass


def keyword_only(*, name: str) -> str:
    return name


def test_signatures_are_those_of_the_source(surface: ModuleType) -> None:
    expected = "(first: int, /, second: str | None = None, *rest: bytes, third: Color = Color(1)) -> None"
    assert surface.signature(function) == expected
    assert surface.signature(keyword_only) == "(*, name: str) -> str"


def test_methods_are_without_self(surface: ModuleType) -> None:
    class Thing:
        def use(self, count: int = 1) -> bool:
            return bool(count)

    assert surface.signature(Thing.use, bound=True) == "(count: int = 1) -> bool"


def test_enums_have_their_values(surface: ModuleType) -> None:
    assert list(surface.members("color.Color", Color, {})) == ["color.Color.RED = 1"]


def test_everything_public_has_a_line(surface: ModuleType) -> None:
    lines = surface.surface()
    assert "class pylibbpf.Object()" in lines
    assert any(line.startswith("pylibbpf.link.attach_xdp(program: ") for line in lines)
    assert "pylibbpf.enums.MapType.HASH = 1" in lines
    assert not [line for line in lines if " object at 0x" in line]
