# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""`make upgrade-libbpf`: a checkout moves to a release that has two more functions and one more field."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.host("nothing here depends on the kernel")

NEW_IN_BPF_H = """\
struct bpf_prog_inspect_opts {
	size_t sz; /* of this struct */
	__u32 flags;
	size_t :0;
};
#define bpf_prog_inspect_opts__last_field flags

/** @brief looks at a program */
LIBBPF_API int bpf_prog_inspect(int fd,
				struct bpf_prog_inspect_opts *opts);

LIBBPF_API int bpf_map_create("""
NEW_IN_LIBBPF_H = """\
LIBBPF_API const char *bpf_object__origin(const struct bpf_object *obj);
LIBBPF_API int libbpf_strerror("""
NEW_VERSION = """
LIBBPF_99.1.0 {
	global:
		bpf_prog_inspect;
		bpf_object__origin;
} LIBBPF_1.7.0;
"""


def run(directory: Path, *command: object, **environment: str) -> str:
    result = subprocess.run(
        [str(word) for word in command],
        cwd=directory,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout.strip()


def git(directory: Path, *arguments: str) -> str:
    return run(directory, "git", "-c", "user.name=Test", "-c", "user.email=test@localhost", *arguments)


def copy_libbpf(target: Path) -> None:
    for name in ("src", "include"):
        shutil.copytree(ROOT / "libbpf" / name, target / name, ignore=shutil.ignore_patterns("*.o"))
    for licence in (ROOT / "libbpf").glob("LICENSE*"):
        shutil.copy(licence, target)


def edit(file: Path, old: str, new: str) -> None:
    source = file.read_text()
    assert old in source
    file.write_text(source.replace(old, new, 1))


@pytest.fixture
def forge(tmp_path: Path) -> Path:
    """A repository of libbpf with the vendored release and a newer one."""
    forge = tmp_path / "forge"
    forge.mkdir()
    copy_libbpf(forge)
    git(forge, "init", "--quiet")
    git(forge, "add", "--all", "--force")
    git(forge, "commit", "--quiet", "-m", "vendored")
    git(forge, "tag", "v1.7.0")
    edit(forge / "src/bpf.h", "LIBBPF_API int bpf_map_create(", NEW_IN_BPF_H)
    edit(forge / "src/bpf.h", "\t__u32 excl_prog_hash_size;", "\t__u32 excl_prog_hash_size;\n\t__u32 node;")
    edit(forge / "src/libbpf.h", "LIBBPF_API int libbpf_strerror(", NEW_IN_LIBBPF_H)
    with (forge / "src/libbpf.map").open("a") as linker_script:
        linker_script.write(NEW_VERSION)
    git(forge, "commit", "--quiet", "-am", "newer")
    git(forge, "tag", "v99.1.0")
    return forge


@pytest.fixture
def checkout(forge: Path, tmp_path: Path) -> Path:
    checkout = tmp_path / "checkout"
    for name in ("packaging", "cdef"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "tests/packaging").mkdir(parents=True)
    shutil.copy(ROOT / "tests/packaging/test_libbpf.py", checkout / "tests/packaging")
    (checkout / ".gitmodules").write_text(
        f'[submodule "libbpf"]\n\tpath = libbpf\n\turl = {forge.as_uri()}\n'
    )
    (checkout / "libbpf").mkdir()
    copy_libbpf(checkout / "libbpf")
    git(checkout, "init", "--quiet")
    git(checkout, "add", "packaging", "cdef", "tests", ".gitmodules")
    commit = git(forge, "rev-parse", "v1.7.0")
    git(checkout, "update-index", "--add", "--cacheinfo", f"160000,{commit},libbpf")
    git(checkout, "commit", "--quiet", "-m", "start")
    return checkout


def upgrade(checkout: Path, *arguments: object) -> str:
    cache = str(checkout.parent / "cache")
    return run(checkout, sys.executable, "packaging/upgrade.py", *arguments, XDG_CACHE_HOME=cache)


def check_upgraded(checkout: Path, forge: Path, said: str) -> None:
    assert said.splitlines()[0] == "libbpf 1.7.0 -> 99.1.0"
    assert {"  bpf_object__origin", "  bpf_prog_inspect"} <= set(said.splitlines())
    assert "  struct bpf_map_create_opts: new __u32 node" in said.splitlines()
    staged = git(checkout, "ls-files", "--stage", "libbpf")
    assert staged.startswith(f"160000 {git(forge, 'rev-parse', 'v99.1.0')} ")
    # What `make libbpf` verifies from now on is the new release, and it is there.
    assert run(checkout, sys.executable, "packaging/libbpf.py", XDG_CACHE_HOME=str(checkout.parent)) == ""
    assert 'RELEASE = "99.1.0"' in (checkout / "tests/packaging/test_libbpf.py").read_text()
    assert (checkout / "cdef/bpf.h").read_text().endswith(
        "\n/* New in libbpf 99.1.0. */\n"
        "struct bpf_prog_inspect_opts {\n\tsize_t sz;\n\t__u32 flags;\n\t...;\n};\n\n"
        "int bpf_prog_inspect(int fd, struct bpf_prog_inspect_opts *opts);\n"
    )  # fmt: skip
    assert (checkout / "cdef/libbpf.h").read_text().endswith(
        "\n/* New in libbpf 99.1.0. */\nconst char *bpf_object__origin(const struct bpf_object *obj);\n"
    )  # fmt: skip


def test_newest_release_comes_from_the_forge(checkout: Path, forge: Path) -> None:
    check_upgraded(checkout, forge, upgrade(checkout))


def test_release_comes_from_a_tarball(checkout: Path, forge: Path, tmp_path: Path) -> None:
    tarball = tmp_path / "v99.1.0.tar.gz"
    git(forge, "archive", "--prefix=libbpf-99.1.0/", f"--output={tarball}", "v99.1.0")
    edit(checkout / ".gitmodules", forge.as_uri(), (tmp_path / "nowhere").as_uri())
    check_upgraded(checkout, forge, upgrade(checkout, "--release", "99.1.0", "--tarball", tarball))


def test_release_that_is_vendored_already_changes_nothing(checkout: Path, forge: Path) -> None:
    with pytest.raises(AssertionError, match=r"1\.7\.0 is vendored already"):
        upgrade(checkout, "--release", "1.7.0")
    assert git(checkout, "status", "--porcelain", "--untracked-files=no") == ""
