# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""[tool.pylibbpf]: what it may have in it, and projects without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pylibbpf.skeleton.settings import Settings, SettingsError, read_settings

pytestmark = pytest.mark.host("nothing here depends on the kernel")


def read(directory: Path, text: str) -> Settings | None:
    (directory / "pyproject.toml").write_text(text)
    return read_settings(str(directory / "pyproject.toml"))


def test_a_table_is_read(tmp_path: Path) -> None:
    settings = read(
        tmp_path, '[tool.pylibbpf]\nskeletons = ["a.bpf.c"]\ncflags = ["-DX"]\nplatform = "any"\n'
    )
    assert settings == Settings(["a.bpf.c"], [], ["-DX"], "", "", "any")


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n", "[project]\ndependencies = ['pylibbpf']\n"])
def test_other_projects_have_none(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) is None
    assert read_settings(str(tmp_path / "missing.toml")) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("skeletons = 'a.bpf.c'", "skeletons must be a list of strings"),
        ("skeletons = [1]", "skeletons must be a list of strings"),
        ("skeletons = ['a.bpf.c']\nclang = ['x']", "clang must be a string"),
        ("skeletons = ['a.bpf.c']\nskeleton = ['x']", r"has no skeleton; it has skeletons, include"),
        ("", "skeletons must name a source"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read(tmp_path, f"[tool.pylibbpf]\n{text}\n")


def test_setuptools_pays_next_to_nothing_for_other_projects(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pylibbpf.skeleton.setuptools_hook import finalize_distribution_options\n"
        "finalize_distribution_options(None)\n"
        "print([name for name in sys.modules if name.startswith('pylibbpf')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "['pylibbpf', 'pylibbpf.skeleton', 'pylibbpf.skeleton.setuptools_hook', 'pylibbpf.skeleton.settings']"
    ]
