# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Fills libbpf/ with the release that pylibbpf is built from: `make libbpf`.

The content comes from the first of these that has it: libbpf/ itself, the file that LIBBPF_TARBALL names,
the forge (as a git submodule), the user's cache directory, the Debian source package on the machine's own
mirror. Wherever it comes from, it is used only if git would give it the ids in OBJECTS.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple, NoReturn

import debian_archive

ROOT = Path(__file__).resolve().parent.parent
DESTINATION = ROOT / "libbpf"

RELEASE = "1.7.0"
# What is used of the release, and its git object ids: `git ls-tree v1.7.0`.
OBJECTS = {
    "src": "92f3da2d393a3f499e0eaea304a3007c642f5560",
    "include": "c7fa45e452ac9ee735e4bfc404a237cb282ed583",
    "LICENSE": "d38fed3cd0c4d8d07a694c636d5aa336d2a00b83",
    "LICENSE.BSD-2-Clause": "bce40aa98c5e77b47803d4676bbe7c1d4250cb6b",
    "LICENSE.LGPL-2.1": "27bb4342a3e8dedd312a044ec3e59e295ac5e4d2",
}
# Debian moves a release from the first suite to the second.
DEBIAN_SUITES = ("sid", "forky")

PROBE_SECONDS = 15
CLONE_SECONDS = 300


class File(NamedTuple):
    content: bytes
    executable: bool


# The files of OBJECTS by their path in libbpf's tree. In memory: nothing reaches libbpf/ unverified.
Tree = dict[str, File]


class UnavailableError(Exception):
    """A place does not have libbpf; another one may."""


class MismatchError(Exception):
    """Something is there that is not this release of libbpf."""


def object_id(tree: Tree, path: str) -> str | None:
    """The id that git gives to a file, or to a directory and all below it; None if there is neither."""
    if path in tree:
        return _git_hash("blob", tree[path].content)
    prefix = f"{path}/"
    names = {name[len(prefix) :].split("/")[0] for name in tree if name.startswith(prefix)}
    if not names:
        return None
    entries = []
    for name in names:
        file = tree.get(prefix + name)
        mode = "40000" if file is None else "100755" if file.executable else "100644"
        entry = f"{mode} {name}\0".encode() + bytes.fromhex(object_id(tree, prefix + name) or "")
        # git sorts directories as if their names ended in a slash
        entries.append((name + "/" if file is None else name, entry))
    return _git_hash("tree", b"".join(entry for _, entry in sorted(entries)))


def _git_hash(kind: str, content: bytes) -> str:
    header = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def verify(tree: Tree, origin: str) -> None:
    """Raises MismatchError unless `tree` is the release, to the last byte."""
    wrong = []
    for path, expected in OBJECTS.items():
        found = object_id(tree, path)
        if found != expected:
            wrong.append(f"  {path} is {found or 'missing'}, libbpf {RELEASE} has {expected}")
    if wrong:
        raise MismatchError("\n".join([f"{origin} is not libbpf {RELEASE}:", *wrong]))


def _wanted(path: str) -> bool:
    return path.split("/", maxsplit=1)[0] in OBJECTS


def read_directory(directory: Path) -> Tree:
    tree = {}
    for file in directory.rglob("*"):
        path = file.relative_to(directory).as_posix()
        if not _wanted(path) or (file.is_dir() and not file.is_symlink()):
            continue
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise MismatchError(f"{file} is not a regular file; libbpf {RELEASE} has nothing else")
        tree[path] = File(file.read_bytes(), bool(status.st_mode & stat.S_IXUSR))
    return tree


def read_tarball(tarball: Path) -> Tree:
    """The files of OBJECTS in a release tarball, which has one directory at its top."""
    tree = {}
    try:
        with tarfile.open(tarball) as archive:
            for member in archive:
                path = "/".join(Path(member.name).parts[1:])
                if not _wanted(path) or member.isdir():
                    continue
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    raise MismatchError(
                        f"{member.name} in {tarball} is not a regular file; libbpf {RELEASE} has nothing else"
                    )
                tree[path] = File(content.read(), bool(member.mode & stat.S_IXUSR))
    except FileNotFoundError:
        raise UnavailableError(f"{tarball} does not exist") from None
    except (OSError, EOFError, tarfile.TarError) as error:
        raise UnavailableError(f"{tarball} cannot be read as a tarball: {error}") from None
    return tree


def write_tarball(tree: Tree, tarball: Path) -> None:
    with tarfile.open(tarball, "w:gz") as archive:
        for path, file in sorted(tree.items()):
            member = tarfile.TarInfo(f"libbpf-{RELEASE}/{path}")
            member.size = len(file.content)
            member.mode = 0o755 if file.executable else 0o644
            archive.addfile(member, io.BytesIO(file.content))


def cached_tarball() -> Path:
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # the XDG specification: a relative path is invalid and ignored
    base = configured if configured.is_absolute() else Path.home() / ".cache"
    return base / "pylibbpf" / f"libbpf-{RELEASE}.tar.gz"


def remember(tree: Tree) -> None:
    """Keeps verified content for the next checkout. A cache that cannot be written costs only time."""
    tarball = cached_tarball()
    if tarball.exists():
        return
    try:
        tarball.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tarball.parent) as scratch:
            write_tarball(tree, Path(scratch) / "tarball")
            (Path(scratch) / "tarball").replace(tarball)
    except OSError as error:
        say(f"cannot keep a copy in {tarball.parent}: {error.strerror}")


def place(tree: Tree) -> None:
    """Puts verified content in libbpf/, all at once: a rename onto an empty directory is atomic."""
    scratch = Path(tempfile.mkdtemp(prefix=".libbpf-", dir=ROOT))
    try:
        for path, file in tree.items():
            target = scratch / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            target.chmod(0o755 if file.executable else 0o644)
        scratch.chmod(0o755)
        scratch.rename(DESTINATION)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def git(*arguments: str, seconds: float) -> str:
    """Runs git in the checkout. It never asks for a name, a password or a host key."""
    environment = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    }
    with subprocess.Popen(
        ["git", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException as error:
            # The whole group: git is many processes. On SIGTERM each removes what it has half written.
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise UnavailableError(f"git {arguments[0]} took longer than {seconds:g} s") from None
            raise
    if process.returncode:
        reasons = [line for line in output.splitlines() if line.startswith(("fatal:", "error:"))]
        raise UnavailableError(reasons[0] if reasons else f"git {arguments[0]} failed: {output.strip()}")
    return output.strip()


def is_submodule_checkout() -> bool:
    """Whether git itself filled libbpf/. Content from elsewhere has no .git, and git takes it for an empty
    submodule: `git status` stays clean, and none of it can be added."""
    return (DESTINATION / ".git").exists()


def from_forge() -> Tree:
    """Checks the submodule out at the commit that the superproject names."""
    if not (ROOT / ".git").exists() or not (ROOT / ".gitmodules").exists():
        raise UnavailableError("this is no git checkout")
    if shutil.which("git") is None:
        raise UnavailableError("git is not installed")
    if is_submodule_checkout():
        git("submodule", "update", "--init", "libbpf", seconds=CLONE_SECONDS)
    else:
        # Where nothing answers at all, git itself would wait for minutes.
        url = git("config", "-f", ".gitmodules", "submodule.libbpf.url", seconds=PROBE_SECONDS)
        git("ls-remote", "--exit-code", url, "HEAD", seconds=PROBE_SECONDS)
        git("submodule", "update", "--init", "--depth", "1", "libbpf", seconds=CLONE_SECONDS)
    return read_directory(DESTINATION)


def from_cache() -> Tree:
    tarball = cached_tarball()
    if not tarball.exists():
        raise UnavailableError(f"no {tarball}")
    try:
        tree = read_tarball(tarball)
        verify(tree, str(tarball))
    except (MismatchError, UnavailableError) as error:
        tarball.unlink()
        raise UnavailableError(f"damaged, removed: {error}") from None
    return tree


def from_debian() -> Tree:
    with tempfile.TemporaryDirectory(prefix="pylibbpf-") as scratch:
        # apt gives up its privileges to download
        Path(scratch).chmod(0o755)
        reasons = []
        for name in DEBIAN_SUITES:
            try:
                suite = debian_archive.Suite(name, Path(scratch) / name)
                tarball = suite.source_tarball("libbpf", RELEASE)
            except debian_archive.AptError as error:
                reasons.append(f"{name}: {error}")
            else:
                return read_tarball(tarball)
    raise UnavailableError("; ".join(dict.fromkeys(reasons)))


def fetch() -> Tree:
    """Verified content from the first place that has it. One that has something else ends the search."""
    named = os.environ.get("LIBBPF_TARBALL")
    if named:
        tree = read_tarball(Path(named).expanduser())
        verify(tree, named)
        return tree
    reasons = []
    for place_name, source in (
        ("the forge", from_forge),
        ("the cache", from_cache),
        ("the Debian source package", from_debian),
    ):
        try:
            tree = source()
        except UnavailableError as error:
            say(f"not from {place_name}: {error}")
            reasons.append(f"  {place_name}: {error}")
            continue
        verify(tree, place_name)
        say(f"libbpf {RELEASE} from {place_name}, verified")
        return tree
    raise UnavailableError("\n".join([f"libbpf {RELEASE} is nowhere to be had:", *reasons]))


def fill() -> None:
    """Fills libbpf/, or leaves it as it is: verified already, or not ours to touch."""
    if DESTINATION.is_dir() and any(DESTINATION.iterdir()):
        tree = read_directory(DESTINATION)
        try:
            verify(tree, "libbpf/")
        except MismatchError as error:
            if not is_submodule_checkout():
                raise MismatchError(f"{error}\nRemove that directory and run `make libbpf` again.") from None
            tree = from_forge()
            verify(tree, "the submodule in libbpf/")
    else:
        tree = fetch()
        if not is_submodule_checkout():
            place(tree)
    remember(tree)


def say(message: str) -> None:
    print(f"libbpf: {message}", flush=True)


def fail(message: str) -> NoReturn:
    sys.exit(f"libbpf: {message}")


def main() -> None:
    try:
        fill()
    except MismatchError as error:
        fail(str(error))
    except UnavailableError as error:
        fail(f"{error}\nDownload the release elsewhere, then: make libbpf LIBBPF_TARBALL=v{RELEASE}.tar.gz")
    except OSError as error:
        fail(f"cannot fill {DESTINATION}: {error}")


if __name__ == "__main__":
    main()
