# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Installs the wheel of dist/ alone and tests it, with one CPython after the other: `make test-wheel`.

For each, a fresh environment gets the wheel and what the tests import, no compiler is on PATH, and the tests
run from a copy that has no pylibbpf of its own.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
# What compiles, assembles or links, by its name without version and architecture.
COMPILERS = ("cc", "c89", "c99", "gcc", "g++", "c++", "cpp", "clang", "clang++", "tcc", "ld", "as")
# What a wheel could break: the glue's threads and callbacks, finalizers, fork, what reads ELF, NumPy, the
# command line. The whole suite takes many times as long.
TESTS = (
    "tests/btf/test_btf.py",
    "tests/btf/test_build.py",
    "tests/btf/test_codec.py",
    "tests/cli",
    "tests/events/test_ring_buffer.py",
    "tests/link/test_xdp.py",
    "tests/maps/test_array.py",
    "tests/maps/test_batch.py",
    "tests/maps/test_hash.py",
    "tests/maps/test_kinds.py",
    "tests/maps/test_map.py",
    "tests/test_bad_input.py",
    "tests/test_linker.py",
    "tests/test_native.py",
    "tests/test_object.py",
)
# Not about the wheel: these compile, read the checkout, or measure what differs between Pythons (how much
# memory objects take; between which instructions 3.13 runs signal handlers).
LEFT_OUT = (
    "tests/btf/test_dump.py",
    "tests/btf/test_layout.py",
    "tests/btf/test_types.py::test_kinds_are_the_kernels",
    "tests/documentation",
    "tests/events/test_ring_buffer.py::test_exceptions_of_signal_handlers_neither_lose_nor_repeat_a_record",
    "tests/fuzz",
    "tests/maps/test_batch.py::test_a_large_map_becomes_arrays_in_little_more_memory_than_they_take",
    "tests/packaging",
    "tests/skeleton",
    "tests/test_cdef.py",
    "tests/test_linker.py::test_what_one_object_lacks_another_defines",
    "tests/test_native.py::test_no_c_code_can_call_python",
)
USE = """
import pylibbpf, sys
assert pylibbpf.__file__.startswith(sys.prefix), pylibbpf.__file__
print("Python", sys.version.split()[0], "pylibbpf", pylibbpf.__version__, "libbpf", pylibbpf.libbpf_version())
"""


def interpreters(versions: list[str]) -> dict[str, Path]:
    """Where each version is: in pyenv's directory, or else on PATH."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {}
    for version in versions:
        installed = sorted(root.glob(f"versions/{version}.*/bin/python{version}"))
        on_path = shutil.which(f"python{version}")
        # A name on PATH may be pyenv's, which says that the version is not installed.
        candidates = [*installed, *([Path(on_path)] if on_path else [])]
        for candidate in candidates:
            if (
                subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False).returncode
                == 0
            ):
                found[version] = candidate
                break
    return found


def programs_without_compilers(directory: Path) -> Path:
    """A directory with links to all programs of PATH but those that compile."""
    directory.mkdir()
    for place in reversed(os.environ["PATH"].split(":")):
        for program in Path(place).glob("*"):
            if not is_compiler(program.name):
                (directory / program.name).unlink(missing_ok=True)
                (directory / program.name).symlink_to(program)
    return directory


def is_compiler(name: str) -> bool:
    return re.sub(r"^\w+-linux-gnu-|-[\d.]+$", "", name) in COMPILERS


def copy_tests(directory: Path) -> Path:
    """What the tests read, compiled BPF objects included, and not the package."""
    directory.mkdir()
    for name in ("tests", "examples", "benchmarks", "pyproject.toml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, directory)
    return directory


def run(*command: object, cwd: Path, path: str) -> None:
    words = [str(word) for word in command]
    print("$", shlex.join(words), flush=True)
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "CC")}
    subprocess.run(words, cwd=cwd, env={**kept, "PATH": path}, stdin=subprocess.DEVNULL, check=True)


def try_wheel(python: Path, wheel: Path, tests: list[str], directory: Path) -> None:
    environment = directory / "environment"
    run(python, "-m", "venv", environment, cwd=directory, path=os.environ["PATH"])
    inside = environment / "bin/python"
    path = f"{environment}/bin:{directory.parent}/programs"
    install = (
        inside,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--only-binary",
        ":all:",
    )
    run(*install, wheel, cwd=directory, path=path)
    run(inside, "-c", USE, cwd=directory, path=path)
    run(*install, f"{wheel}[numpy,symbols]", "hypothesis", "pytest>=9", cwd=directory, path=path)
    options = ["-m", "pytest", "-q", "-m", "not package", "-p", "no:cacheprovider"]
    options += [f"--deselect={test}" for test in LEFT_OUT]
    run(inside, *options, *tests, cwd=directory.parent / "copy", path=path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--versions", nargs="+", default=list(VERSIONS), help="of Python")
    parser.add_argument("--all", action="store_true", help="fail if a version is not there")
    parser.add_argument("--wheel", type=Path, help="instead of the one in dist/")
    parser.add_argument("tests", nargs="*", default=list(TESTS))
    arguments = parser.parse_args()
    wheels = [arguments.wheel] if arguments.wheel else list((ROOT / "dist").glob("*.whl"))
    if len(wheels) != 1:
        sys.exit(f"try_wheel: dist/ has {len(wheels)} wheels; there should be one: make dist")
    found = interpreters(arguments.versions)
    absent = [version for version in arguments.versions if version not in found]
    if not found or (arguments.all and absent):
        sys.exit(f"try_wheel: no Python {', '.join(absent)} here; pyenv install {' '.join(absent)}")
    with tempfile.TemporaryDirectory(prefix="pylibbpf-wheel-") as name:
        scratch = Path(name)
        programs_without_compilers(scratch / "programs")
        copy_tests(scratch / "copy")
        for version, python in found.items():
            (scratch / version).mkdir()
            try_wheel(python, wheels[0].resolve(), arguments.tests, scratch / version)
    print(f"{wheels[0].name} works with CPython {', '.join(found)}", flush=True)
    if absent:
        print(f"Not tried, as they are not installed: CPython {', '.join(absent)}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"try_wheel: {shlex.join(map(str, error.cmd))} failed")
