# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""docs/public_names.py, by which `make docs` fails: public names that the manual does not describe."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.host("the same on every kernel"), pytest.mark.needs("sphinx")]


@pytest.fixture
def extension() -> ModuleType:
    spec = importlib.util.spec_from_file_location("public_names", ROOT / "docs" / "public_names.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_described_nowhere_is_missing(extension: ModuleType) -> None:
    missing = set(extension.missing({"pylibbpf"}, ["pylibbpf"]))
    assert {"pylibbpf.Object", "pylibbpf.link", "pylibbpf.maps", "pylibbpf.State"} <= missing
    assert "pylibbpf.lib" not in missing


def test_a_name_is_described_where_its_module_is(extension: ModuleType) -> None:
    described = {"pylibbpf", "pylibbpf.object", "pylibbpf.object.Object"}
    missing = set(extension.missing(described, ["pylibbpf", "pylibbpf.object"]))
    assert not {"pylibbpf.Object", "pylibbpf.object.Object"} & missing
    # Its methods are not.
    assert {"pylibbpf.object.Object.load", "pylibbpf.object.Object.btf"} <= missing


def test_lazy_names_of_a_module_count(extension: ModuleType) -> None:
    assert "pylibbpf.btf.BtfBuilder" in set(extension.missing({"pylibbpf.btf"}, ["pylibbpf.btf"]))
