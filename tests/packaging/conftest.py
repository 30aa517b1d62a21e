# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The wheel and the sdist, each made once, and fresh environments to install them in.

All is built from a copy of the checkout, so that nothing built earlier is picked up by mistake.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
USE = "import pylibbpf; print(pylibbpf.__file__, pylibbpf.libbpf_version())"


def run(*command: object, cwd: Path, **environment: object) -> str:
    """Runs a command away from the checkout; what it said is in the failure."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    result = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**inherited, **{name: str(value) for name, value in environment.items()}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


class Environment:
    """A fresh virtual environment."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.python = directory / "venv/bin/python"
        run(sys.executable, "-m", "venv", *options, "venv", cwd=directory)

    def pip(self, *arguments: object, **environment: object) -> None:
        run(self.python, "-m", "pip", *arguments, cwd=self.directory, **environment)

    def use(self) -> Path:
        """Imports the package, asks libbpf for its version, and returns where the package is."""
        file, version = run(self.python, "-c", USE, cwd=self.directory).split(maxsplit=1)
        assert re.search(r"1\b.*\b7", version), version
        return Path(file)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with nothing built in it."""
    copy = tmp_path_factory.mktemp("package") / "checkout"
    ignored = (
        ".git",
        ".venv",
        "build",
        "dist",
        "*.egg-info",
        "*.so",
        "*.o",
        "__pycache__",
        ".*_cache",
        ".hypothesis",
    )
    shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*ignored))
    return copy


@pytest.fixture(scope="session")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sdist")
    run(
        sys.executable,
        "-m",
        "build",
        "--sdist",
        "--no-isolation",
        "--outdir",
        directory,
        checkout,
        cwd=directory,
    )
    (sdist,) = directory.glob("*.tar.gz")
    return sdist


@pytest.fixture(scope="session")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`pip wheel .`, build isolation included: pip gets the build requirements by itself."""
    directory = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", directory, ".", cwd=checkout)
    (wheel,) = directory.glob("*.whl")
    return wheel
