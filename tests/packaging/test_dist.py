# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What `make dist` builds: the same bytes each time, with licences and versions of all that is inside."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
EPOCH = 1_700_000_000

pytestmark = pytest.mark.host("nothing here depends on the kernel")


@pytest.fixture(scope="module")
def packaging() -> Iterator[None]:
    """The scripts of packaging/ import each other."""
    sys.path.insert(0, str(ROOT / "packaging"))
    yield
    sys.path.remove(str(ROOT / "packaging"))


@pytest.fixture
def reproducible(packaging: None) -> ModuleType:
    import reproducible

    return reproducible


def write_sdist(path: Path, names: list[str], mtime: int, mode: int, owner: str) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode, member.uname = 4, mtime, mode, owner
            archive.addfile(member, io.BytesIO(b"text"))


def test_sdists_differ_by_content_alone(reproducible: ModuleType, tmp_path: Path) -> None:
    first, second = tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"
    write_sdist(first, ["a/x", "a/y"], 1, 0o644, "me")
    write_sdist(second, ["a/y", "a/x"], 2, 0o600, "you")
    for sdist in (first, second):
        reproducible.rewrite_sdist(sdist, EPOCH)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        assert [(member.name, member.mtime) for member in archive] == [("a/x", EPOCH), ("a/y", EPOCH)]
        content = archive.extractfile("a/x")
        assert content is not None
        assert content.read() == b"text"


def test_time_is_what_the_environment_says_or_the_sdist(
    reproducible: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    with pytest.raises(LookupError, match="SOURCE_DATE_EPOCH"):
        reproducible.source_date_epoch(tmp_path)
    (tmp_path / "PKG-INFO").touch()
    os.utime(tmp_path / "PKG-INFO", (EPOCH, EPOCH))
    assert reproducible.source_date_epoch(tmp_path) == EPOCH
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    assert reproducible.source_date_epoch(tmp_path) == 7


def test_library_without_a_licence_is_refused(packaging: None) -> None:
    import repair

    for name in ("libelf-0-b58343c4.188.so", "libelf-b58343c4.so.1", "libz-7e2a72b4.so.1.2.13"):
        library = repair.library_of(Path(name))
        assert list((ROOT / "packaging/licenses" / library.project).iterdir())
    with pytest.raises(repair.RepairError, match="licence"):
        repair.library_of(Path("libcrypto-12345678.so.3"))


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What two runs of `make dist` left, at different places."""
    directories = []
    for _ in range(2):
        directory = tmp_path_factory.mktemp("dist")
        result = subprocess.run(
            [sys.executable, "packaging/dist.py", "--no-manifest", "--outdir", directory],
            cwd=ROOT,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout
        directories.append(directory)
    return directories


@pytest.mark.package
def test_two_builds_give_the_same_bytes(builds: list[Path]) -> None:
    sums = [
        {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in directory.iterdir()}
        for directory in builds
    ]
    assert len(sums[0]) == 2
    assert sums[0] == sums[1]


@pytest.mark.package
def test_wheel_has_libelf_and_zlib_with_licences_and_a_bill_of_materials(builds: list[Path]) -> None:
    (wheel,) = builds[0].glob("*.whl")
    assert re.fullmatch(r".+-cp310-abi3-manylinux_2_\d+_\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (bill,) = (json.loads(archive.read(name)) for name in names if "/sboms/" in name)
        inside = {name: archive.read(name) for name in names if name.startswith("pylibbpf.libs/")}
    components = {component["name"]: component for component in bill["components"]}
    assert {"libbpf", "libelf", "libz"} <= set(components)
    assert all(component["version"] and component["licenses"] for component in components.values())
    hashes = {hashlib.sha256(content).hexdigest() for content in inside.values()}
    assert hashes == {c["hashes"][0]["content"] for c in components.values() if "hashes" in c}
    licences = {name.split("/licenses/")[1].split("/")[0] for name in names if "/licenses/" in name}
    assert {"elfutils", "libbpf", "zlib"} <= licences
