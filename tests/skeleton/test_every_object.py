# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Skeletons of all objects that the tests, examples and benchmarks have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.skeleton import Skeleton, generate
from tests.conftest import ROOT
from tests.skeleton.making import load

pytestmark = [
    pytest.mark.host("nothing here depends on the kernel"),
    # Some have what older ones do not know.
    pytest.mark.needs("libbpf_1_7"),
]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """The modules by their objects."""
    directory = tmp_path_factory.mktemp("skeletons")
    objects = sorted(
        path for folder in ("tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.bpf.o")
    )
    assert len(objects) > 40
    made = {}
    for number, path in enumerate(objects):
        made[path] = directory / f"skeleton_{number}.py"
        made[path].write_text(generate(path))
    return made


def ruff(*arguments: str, directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", "."],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("line_length", [88, 110])
def test_is_formatted_as_ruff_would(modules: dict[Path, Path], line_length: int) -> None:
    directory = next(iter(modules.values())).parent
    assert ruff("format", "--diff", f"--line-length={line_length}", directory=directory) == ""


def test_has_nothing_that_ruff_finds_by_default(modules: dict[Path, Path]) -> None:
    assert ruff("check", "--target-version=py310", directory=next(iter(modules.values())).parent) == ""


def test_is_typed_to_the_last(modules: dict[Path, Path]) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--python-version=3.10", "--config-file="),
            *(f"--cache-dir={ROOT / 'build' / 'mypy-skeletons'}", "."),
        ],
        cwd=next(iter(modules.values())).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_nothing_but_pylibbpf(modules: dict[Path, Path]) -> None:
    lines = {line for path in modules.values() for line in path.read_text().splitlines()}
    imports = {line for line in lines if line.startswith(("import ", "from "))}
    allowed = ("from pylibbpf import ", "from __future__ import annotations", "import builtins")
    assert {line for line in imports if not line.startswith(allowed)} == set()


def test_has_every_program_map_and_variable(modules: dict[Path, Path]) -> None:
    for path, module in modules.items():
        (skeleton,) = (
            value
            for value in vars(load(module)).values()
            if isinstance(value, type) and issubclass(value, Skeleton)
        )
        with skeleton.open() as made, bpf.Object.open(path) as obj:
            assert {program.name for program in vars(made.programs).values()} == set(obj.programs)
            assert {map.name for map in vars(made.maps).values()} == set(obj.maps)
            for name, program in obj.programs.items():
                assert type(made.object.programs[name]) is type(program)
            printed = {name for name in obj.variables if "____fmt" in name}
            attributes = [name for name in vars(type(made.variables)) if not name.startswith("__")]
            assert len(attributes) >= len(set(obj.variables) - printed)
