# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The extension as an ELF file: what it exports, what it needs, how large it is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pylibbpf import _libbpf

pytestmark = pytest.mark.host("the file is the same on every kernel")

EXTENSION = Path(_libbpf.__file__)


def output(*command: object) -> str:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout


def needed(extension: Path) -> set[str]:
    return set(re.findall(r"\(NEEDED\).*\[(.+)\]", output("readelf", "--wide", "--dynamic", extension)))


def test_exports_nothing_but_its_initialiser() -> None:
    symbols = output("nm", "--dynamic", "--defined-only", "--format=posix", EXTENSION).splitlines()
    assert [line.split()[0] for line in symbols] == ["PyInit__libbpf"]


def test_needs_only_libelf_zlib_and_the_c_library() -> None:
    # On some architectures the dynamic loader is named as well.
    libraries = {name for name in needed(EXTENSION) if not name.startswith("ld-")}
    assert libraries == {"libelf.so.1", "libz.so.1", "libc.so.6"}


def test_is_small_when_stripped(tmp_path: Path) -> None:
    stripped = tmp_path / "stripped.so"
    output("strip", "-o", stripped, EXTENSION)
    assert stripped.stat().st_size <= 800_000


def test_is_named_for_the_stable_abi() -> None:
    assert EXTENSION.name == "_libbpf.abi3.so"
