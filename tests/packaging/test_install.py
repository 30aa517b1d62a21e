# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The wheel and the sdist, and every way of installing that the manual promises (`make test-package`)."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import USE, Environment, run

BUILD_REQUIREMENTS = ("setuptools>=77", "cffi>=1.17")

pytestmark = [pytest.mark.package, pytest.mark.host("builds with the host's compiler")]


def test_wheel_serves_every_python_from_3_10_on(wheel: Path) -> None:
    assert re.fullmatch(r".+-cp310-abi3-linux_\w+\.whl", wheel.name)


def test_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"pylibbpf"}
    package = {name for name in names if name.startswith("pylibbpf/")}
    assert {"pylibbpf/_libbpf.abi3.so", "pylibbpf/_libbpf.pyi", "pylibbpf/py.typed"} <= package
    assert {Path(name).suffix for name in package} == {".py", ".pyi", ".so", ".typed"}
    assert len([name for name in package if name.endswith(".so")]) == 1


def test_wheel_has_all_modules_of_the_checkout(checkout: Path, wheel: Path) -> None:
    modules = {file.relative_to(checkout).as_posix() for file in (checkout / "pylibbpf").rglob("*.py*")}
    with zipfile.ZipFile(wheel) as archive:
        assert modules <= set(archive.namelist())


def test_wheel_has_our_licences_and_those_of_libbpf(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        licences = {name.split("/licenses/")[1] for name in archive.namelist() if "/licenses/" in name}
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    own = {"LICENSE", "LICENSE.BSD-2-Clause", "LICENSE.LGPL-2.1"}
    assert licences == own | {f"libbpf/{name}" for name in own}
    assert "\nLicense-Expression: LGPL-2.1-only OR BSD-2-Clause\n" in text


def test_wheel_installs(wheel: Path, environment: Environment) -> None:
    environment.pip("install", wheel)
    assert environment.use().is_relative_to(environment.directory)


def test_sdist_has_all_that_a_build_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "build_ffi.py",
        "setup.py",
        "cdef/glue.c",
        "cdef/libbpf.h",
        "libbpf/LICENSE",
        "libbpf/include/uapi/linux/bpf.h",
        "libbpf/src/libbpf.c",
        "libbpf/src/libbpf.map",
        "pylibbpf/py.typed",
        "packaging/libbpf.py",
        "Makefile",
    } <= names
    assert [name for name in names if name.endswith((".o", ".so", ".pyc"))] == []


def test_sdist_has_libbpf_as_released(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path)
    (source,) = (directory for directory in tmp_path.iterdir() if directory.is_dir())
    # The script says nothing and changes nothing when libbpf/ verifies.
    assert (
        run(sys.executable, "packaging/libbpf.py", cwd=source, HOME=tmp_path, XDG_CACHE_HOME=tmp_path) == ""
    )


def test_sdist_installs_with_no_network_and_no_git(sdist: Path, environment: Environment) -> None:
    environment.pip("install", *BUILD_REQUIREMENTS)
    programs = environment.directory / "programs"
    programs.mkdir()
    for directory in reversed(os.environ["PATH"].split(":")):
        for program in Path(directory).glob("*"):
            if not program.name.startswith("git"):
                (programs / program.name).unlink(missing_ok=True)
                (programs / program.name).symlink_to(program)
    assert shutil.which("git", path=str(programs)) is None
    install = ("-m", "pip", "install", "--no-build-isolation", sdist)
    run("unshare", "--net", environment.python, *install, cwd=environment.directory, PATH=programs)
    assert environment.use().is_relative_to(environment.directory)


def test_checkout_installs(checkout: Path, environment: Environment) -> None:
    environment.pip("install", checkout)
    assert environment.use().is_relative_to(environment.directory)


def test_checkout_installs_editable(checkout: Path, environment: Environment, tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy, symlinks=True)
    environment.pip("install", "--editable", copy)
    assert environment.use() == copy / "pylibbpf/__init__.py"


def test_system_libbpf_is_linked_not_built_in(
    checkout: Path, environment: Environment, tmp_path: Path
) -> None:
    # As a distribution would: with libbpf's headers, and without its sources.
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy, symlinks=True, ignore=shutil.ignore_patterns("*.c"))
    shutil.copytree(checkout / "cdef", copy / "cdef", dirs_exist_ok=True)
    environment.pip("install", *BUILD_REQUIREMENTS)
    environment.pip("install", "--no-build-isolation", copy, PYLIBBPF_SYSTEM_LIBBPF=1)
    (extension,) = (environment.directory / "venv").rglob("_libbpf.abi3.so")
    assert "[libbpf.so.1]" in run("readelf", "--wide", "--dynamic", extension, cwd=tmp_path)
    version = run(environment.python, "-c", USE, cwd=tmp_path).split(maxsplit=1)[1]
    assert re.search(r"1\b.*\b\d", version), version
