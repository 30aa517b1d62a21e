# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""`make libbpf`: what it fills libbpf/ with, and what it refuses.

Each test runs the script in a checkout of its own, with a cache of its own, and with no git and no apt
unless the test is about them.
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
RELEASE = "1.7.0"
SCRIPTS = ("libbpf.py", "debian_archive.py")

pytestmark = pytest.mark.host("nothing here depends on the kernel")

Files = dict[str, bytes]


@pytest.fixture(scope="session")
def release() -> Files:
    """The files of the vendored release, by path."""
    vendored = ROOT / "libbpf"
    files = [*vendored.glob("LICENSE*"), *vendored.glob("src/**/*"), *vendored.glob("include/**/*")]
    return {str(file.relative_to(vendored)): file.read_bytes() for file in files if file.is_file()}


def write_tarball(path: Path, files: Files) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"libbpf-{RELEASE}/{name}")
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return path


def write_files(directory: Path, files: Files) -> None:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
        (directory / name).chmod(0o644)


class Checkout:
    def __init__(self, directory: Path) -> None:
        self.root = directory / "checkout"
        self.libbpf = self.root / "libbpf"
        self.cache = directory / "cache" / "pylibbpf" / f"libbpf-{RELEASE}.tar.gz"
        self.environment = {
            "HOME": str(directory),
            "XDG_CACHE_HOME": str(directory / "cache"),
            "PATH": "/nowhere",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.libbpf.mkdir(parents=True)
        (self.root / "packaging").mkdir()
        for script in SCRIPTS:
            shutil.copy(ROOT / "packaging" / script, self.root / "packaging")

    def make(self, **environment: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "packaging/libbpf.py"],
            cwd=self.root,
            env={**self.environment, **{name: str(value) for name, value in environment.items()}},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def content(self) -> Files:
        files = (file for file in self.libbpf.rglob("*") if file.is_file())
        return {str(file.relative_to(self.libbpf)): file.read_bytes() for file in files}

    def empty(self) -> None:
        shutil.rmtree(self.libbpf)
        self.libbpf.mkdir()


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path)
    yield checkout
    # Whatever happened, no half-filled directory is left beside libbpf/ either.
    assert list(checkout.root.glob(".libbpf-*")) == []


def test_tarball_that_the_user_names_fills_libbpf(checkout: Checkout, release: Files, tmp_path: Path) -> None:
    tarball = write_tarball(tmp_path / "release.tar.gz", release)
    result = checkout.make(LIBBPF_TARBALL=tarball)
    assert result.returncode == 0, result.stderr
    assert checkout.content() == release
    assert checkout.libbpf.stat().st_mode & 0o777 == 0o755


def test_filled_libbpf_is_left_alone(checkout: Checkout, release: Files, tmp_path: Path) -> None:
    checkout.make(LIBBPF_TARBALL=write_tarball(tmp_path / "release.tar.gz", release))
    before = (checkout.libbpf / "src/bpf.c").stat()
    result = checkout.make()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    after = (checkout.libbpf / "src/bpf.c").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def change_one_byte(files: Files) -> None:
    files["src/libbpf.c"] = files["src/libbpf.c"].replace(b"EINVAL", b"EPERM!", 1)


def add_a_file(files: Files) -> None:
    files["src/extra.c"] = b"int extra;\n"


def add_a_directory(files: Files) -> None:
    files["include/linux/extra/extra.h"] = b"\n"


def remove_a_file(files: Files) -> None:
    del files["include/uapi/linux/bpf.h"]


def rename_a_file(files: Files) -> None:
    files["src/zip2.c"] = files.pop("src/zip.c")


def change_the_licence(files: Files) -> None:
    files["LICENSE"] = b"MIT\n"


def leave_out_src(files: Files) -> None:
    for name in [name for name in files if name.startswith("src/")]:
        del files[name]


@pytest.mark.parametrize(
    "tamper",
    [
        change_one_byte,
        add_a_file,
        add_a_directory,
        remove_a_file,
        rename_a_file,
        change_the_licence,
        leave_out_src,
    ],
)
def test_tampered_tarball_is_refused(
    checkout: Checkout, release: Files, tmp_path: Path, tamper: Callable[[Files], None]
) -> None:
    files = dict(release)
    tamper(files)
    result = checkout.make(LIBBPF_TARBALL=write_tarball(tmp_path / "tampered.tar.gz", files))
    assert result.returncode == 1
    assert f"tampered.tar.gz is not libbpf {RELEASE}" in result.stderr
    assert checkout.content() == {}
    assert not checkout.cache.exists()


def test_executable_bit_counts_as_git_counts_it(checkout: Checkout, release: Files, tmp_path: Path) -> None:
    tarball = tmp_path / "release.tar.gz"
    with tarfile.open(tarball, "w:gz") as archive:
        for name, content in release.items():
            member = tarfile.TarInfo(f"libbpf-{RELEASE}/{name}")
            member.size, member.mode = len(content), 0o755 if name == "src/zip.c" else 0o644
            archive.addfile(member, io.BytesIO(content))
    result = checkout.make(LIBBPF_TARBALL=tarball)
    assert result.returncode == 1
    assert "src is " in result.stderr


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_tarball_with_anything_but_files_is_refused(
    checkout: Checkout, release: Files, tmp_path: Path, kind: bytes
) -> None:
    tarball = tmp_path / "links.tar.gz"
    with tarfile.open(tarball, "w:gz") as archive:
        member = tarfile.TarInfo(f"libbpf-{RELEASE}/src/bpf.c")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    result = checkout.make(LIBBPF_TARBALL=tarball)
    assert result.returncode == 1
    assert "src/bpf.c" in result.stderr
    assert "Traceback" not in result.stderr
    assert checkout.content() == {}


def test_path_that_leaves_the_tarball_writes_nothing(
    checkout: Checkout, release: Files, tmp_path: Path
) -> None:
    files = {**release, "src/../../../escaped": b"!"}
    result = checkout.make(LIBBPF_TARBALL=write_tarball(tmp_path / "escaping.tar.gz", files))
    assert result.returncode == 1
    assert list(tmp_path.rglob("escaped")) == []
    assert checkout.content() == {}


@pytest.mark.parametrize("content", [b"", b"not a tarball\n", None], ids=["empty", "text", "missing"])
def test_unreadable_tarball_is_refused(checkout: Checkout, tmp_path: Path, content: bytes | None) -> None:
    tarball = tmp_path / "unreadable.tar.gz"
    if content is not None:
        tarball.write_bytes(content)
    result = checkout.make(LIBBPF_TARBALL=tarball)
    assert result.returncode == 1
    assert str(tarball) in result.stderr
    assert "Traceback" not in result.stderr


def test_truncated_tarball_is_refused(checkout: Checkout, release: Files, tmp_path: Path) -> None:
    tarball = write_tarball(tmp_path / "truncated.tar.gz", release)
    tarball.write_bytes(tarball.read_bytes()[: tarball.stat().st_size // 2])
    result = checkout.make(LIBBPF_TARBALL=tarball)
    assert result.returncode == 1
    assert str(tarball) in result.stderr
    assert "Traceback" not in result.stderr
    assert checkout.content() == {}


def test_other_content_in_libbpf_is_named_and_kept(
    checkout: Checkout, release: Files, tmp_path: Path
) -> None:
    files = {**release, "src/bpf.c": b"/* patched */\n"}
    write_files(checkout.libbpf, files)
    result = checkout.make(LIBBPF_TARBALL=write_tarball(tmp_path / "release.tar.gz", release))
    assert result.returncode == 1
    assert f"libbpf/ is not libbpf {RELEASE}" in result.stderr
    assert checkout.content() == files


def test_verified_content_is_cached_for_the_next_checkout(
    checkout: Checkout, release: Files, tmp_path: Path
) -> None:
    checkout.make(LIBBPF_TARBALL=write_tarball(tmp_path / "release.tar.gz", release))
    checkout.empty()
    result = checkout.make()
    assert result.returncode == 0, result.stderr
    assert "from the cache, verified" in result.stdout
    assert checkout.content() == release


def test_tampered_cache_is_removed_and_not_used(checkout: Checkout, release: Files) -> None:
    files = dict(release)
    change_one_byte(files)
    checkout.cache.parent.mkdir(parents=True)
    write_tarball(checkout.cache, files)
    result = checkout.make()
    assert result.returncode == 1
    assert f"is not libbpf {RELEASE}" in result.stderr
    assert checkout.content() == {}
    assert not checkout.cache.exists()


def test_cache_that_cannot_be_written_does_not_matter(
    checkout: Checkout, release: Files, tmp_path: Path
) -> None:
    checkout.cache.parent.parent.write_text("a file where the directory would be\n")
    result = checkout.make(LIBBPF_TARBALL=write_tarball(tmp_path / "release.tar.gz", release))
    assert result.returncode == 0, result.stderr
    assert "cannot keep a copy" in result.stdout
    assert checkout.content() == release


def test_nowhere_to_be_had_names_every_place_and_the_way_out(checkout: Checkout) -> None:
    result = checkout.make()
    assert result.returncode == 1
    for words in (
        "the forge: this is no git checkout",
        "the cache: ",
        "apt-config is not installed",
        "LIBBPF_TARBALL=",
    ):
        assert words in result.stderr
    assert checkout.content() == {}


# The forge, played by a repository next door


def git(directory: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", "-c", "user.name=Test", "-c", "user.email=test@localhost", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


@pytest.fixture
def forge(checkout: Checkout, release: Files, tmp_path: Path) -> Path:
    """A repository with the release; the checkout has it as its submodule."""
    forge = tmp_path / "forge"
    write_files(forge, release)
    git(forge, "init", "--quiet")
    git(forge, "add", "--force", ".")
    git(forge, "commit", "--quiet", "-m", "release")
    git(checkout.root, "init", "--quiet")
    add_submodule(checkout, forge.as_uri(), git(forge, "rev-parse", "HEAD"))
    checkout.environment["PATH"] = os.environ["PATH"]
    # git does not clone submodules from files unless told to
    checkout.environment |= {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "protocol.file.allow",
        "GIT_CONFIG_VALUE_0": "always",
    }
    return forge


def add_submodule(checkout: Checkout, url: str, commit: str) -> None:
    (checkout.root / ".gitmodules").write_text(f'[submodule "libbpf"]\n\tpath = libbpf\n\turl = {url}\n')
    git(checkout.root, "add", "packaging", ".gitmodules")
    git(checkout.root, "update-index", "--add", "--cacheinfo", f"160000,{commit},libbpf")
    git(checkout.root, "commit", "--quiet", "-m", "vendor libbpf")


def test_forge_comes_first(checkout: Checkout, forge: Path, release: Files) -> None:
    result = checkout.make()
    assert result.returncode == 0, result.stderr
    assert "from the forge, verified" in result.stdout
    assert (checkout.libbpf / ".git").exists()
    assert {name: content for name, content in checkout.content().items() if name != ".git"} == release
    assert git(checkout.root, "status", "--porcelain") == ""


def test_submodule_at_another_commit_is_moved_to_the_right_one(checkout: Checkout, forge: Path) -> None:
    checkout.make()
    (forge / "LICENSE").write_text("another\n")
    git(forge, "commit", "--quiet", "-am", "another")
    git(checkout.libbpf, "fetch", "--quiet", "origin")
    git(checkout.libbpf, "checkout", "--quiet", "FETCH_HEAD")
    result = checkout.make()
    assert result.returncode == 0, result.stderr
    assert git(checkout.root, "status", "--porcelain") == ""


def test_forge_with_other_content_is_refused(checkout: Checkout, forge: Path) -> None:
    (forge / "src/bpf.c").write_text("/* patched */\n")
    git(forge, "commit", "--quiet", "-am", "patched")
    add_submodule(checkout, forge.as_uri(), git(forge, "rev-parse", "HEAD"))
    result = checkout.make()
    assert result.returncode == 1
    assert f"is not libbpf {RELEASE}" in result.stderr
    assert not checkout.cache.exists()


def test_forge_that_does_not_answer_is_given_up_soon(checkout: Checkout, forge: Path) -> None:
    script = checkout.root / "packaging/libbpf.py"
    script.write_text(script.read_text().replace('"HEAD", seconds=PROBE_SECONDS', '"HEAD", seconds=0.5'))
    (checkout.root / "bin").mkdir()
    (checkout.root / "bin/git").symlink_to(shutil.which("git") or "")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        add_submodule(checkout, f"http://127.0.0.1:{silent.getsockname()[1]}/libbpf.git", "1" * 40)
        result = checkout.make(PATH=checkout.root / "bin")
    assert result.returncode == 1
    assert "the forge: git ls-remote took longer than 0.5 s" in result.stderr


def test_git_takes_content_from_elsewhere_for_an_empty_submodule(
    checkout: Checkout, forge: Path, release: Files, tmp_path: Path
) -> None:
    checkout.make(LIBBPF_TARBALL=write_tarball(tmp_path / "release.tar.gz", release))
    assert checkout.content() == release
    assert git(checkout.root, "status", "--porcelain") == ""
    git(checkout.root, "add", "--all", "--force", ".")
    assert git(checkout.root, "status", "--porcelain") == ""
    with pytest.raises(subprocess.CalledProcessError):
        git(checkout.root, "add", "--force", "libbpf/src/bpf.c")
    # Nor is it taken away with what git does not know.
    git(checkout.root, "clean", "-ffdxq")
    assert checkout.content() == release


# apt's configuration, read to find the mirror


@pytest.fixture(scope="module")
def debian_archive() -> ModuleType:
    spec = importlib.util.spec_from_file_location("debian_archive", ROOT / "packaging/debian_archive.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_line_sources_keep_their_mirror_and_options(debian_archive: ModuleType) -> None:
    text = """\
# deb http://commented.invalid/debian bookworm main
deb [signed-by=/usr/share/keyrings/some.gpg arch=amd64] http://mirror.invalid/debian bookworm main contrib
deb-src http://mirror.invalid/debian bookworm main # a comment
deb http://mirror.invalid/debian-security bookworm-security main
deb cdrom:[Debian GNU/Linux 12]/ bookworm main
deb file:/srv/flat ./
"""
    assert debian_archive.one_line_entries(text, "sid") == [
        "deb-src [signed-by=/usr/share/keyrings/some.gpg arch=amd64] http://mirror.invalid/debian sid main\n",
        "deb-src http://mirror.invalid/debian sid main\n",
    ]


def test_deb822_sources_keep_their_mirror_and_options(debian_archive: ModuleType) -> None:
    text = """\
# The main archive
Types: deb
# a comment within
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://disabled.invalid/debian
Suites: bookworm
Components: main
"""
    assert debian_archive.deb822_entries(text, "forky") == [
        "Types: deb-src\n"
        "Uris: http://mirror.invalid/debian\n"
        "Suites: forky\n"
        "Components: main\n"
        "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\n"
    ]
