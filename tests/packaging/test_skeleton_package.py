# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A package that compiles its BPF programs and ships typed skeletons: examples/package_with_skeleton."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, Environment, run

pytestmark = [
    pytest.mark.package,
    pytest.mark.host("builds with the host's compiler"),
    pytest.mark.needs("root", "vmlinux_btf"),
]

EXAMPLE = ROOT / "examples" / "package_with_skeleton"
# With what is there: no index, and the requirements of the build as they are installed.
OFFLINE = ("--no-index", "--no-build-isolation")


@pytest.fixture(scope="module")
def with_pylibbpf(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel installed, and without a network: pip, setuptools and cffi are those of
    the environment that runs the tests."""
    environment = Environment(tmp_path_factory.mktemp("environment"), "--without-pip")
    (site_packages,) = (environment.directory / "venv/lib").glob("python3*/site-packages")
    (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environment.pip("install", "--no-index", "--no-deps", wheel)
    assert environment.use().is_relative_to(environment.directory)
    return environment


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the example, without the skeleton that is checked in."""
    ignored = shutil.ignore_patterns("*_skel.py", "*.o", "__pycache__", "*.egg-info", "build")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "project", ignore=ignored))


def built_wheel(environment: Environment, project: Path) -> Path:
    environment.pip("wheel", *OFFLINE, "--no-deps", "--wheel-dir", project.parent, project)
    (made,) = project.parent.glob("busiest-*.whl")
    return made


def test_the_package_installs_and_runs(with_pylibbpf: Environment, project: Path) -> None:
    with_pylibbpf.pip("install", *OFFLINE, project)
    tool = with_pylibbpf.directory / "venv/bin/busiest"
    # Somebody who makes system calls, on a machine that may have nothing else to do.
    calls = "import os\nprint(flush=True)\nwhile True: os.getppid()"
    busy = subprocess.Popen([sys.executable, "-c", calls], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        # All processes: others may be busier.
        said = run(tool, "--seconds", "0.5", "--top", "10240", cwd=with_pylibbpf.directory)
    finally:
        busy.kill()
        busy.communicate()
    assert re.match(r" +PID +CALLS  NAME\n", said), said
    assert re.search(rf"^ *{busy.pid} +[1-9]\d*  python", said, re.MULTILINE), said
    assert re.search(r"\n[1-9]\d* system calls in all\n$", said), said
    assert not list((project / "src").rglob("*_skel.py"))


def test_the_wheel_has_a_typed_skeleton(with_pylibbpf: Environment, project: Path, tmp_path: Path) -> None:
    made = built_wheel(with_pylibbpf, project)
    assert made.name == "busiest-1.0-py3-none-any.whl"
    with zipfile.ZipFile(made) as archive:
        archive.extractall(tmp_path / "unpacked")
    unpacked = tmp_path / "unpacked"
    assert {"busiest_skel.py", "py.typed"} <= {path.name for path in (unpacked / "busiest").iterdir()}
    check = (with_pylibbpf.python, "-m", "mypy", "--strict", "--config-file=", "-p", "busiest")
    assert "Success" in run(*check, cwd=unpacked)
    tool = unpacked / "busiest" / "__main__.py"
    tool.write_text(tool.read_text().replace("process.calls:", "process.cals:"))
    done = subprocess.run(
        [str(word) for word in check], cwd=unpacked, capture_output=True, text=True, check=False
    )
    assert '"Process" has no attribute "cals"; maybe "calls"?' in done.stdout


def test_the_wheel_is_for_this_machine_unless_the_package_says_otherwise(
    with_pylibbpf: Environment, project: Path
) -> None:
    settings = project / "pyproject.toml"
    # Also with a vmlinux.h of the package's own, that no kernel makes.
    settings.write_text(settings.read_text().replace('platform = "any"', 'vmlinux = "headers/types.h"'))
    (project / "headers").mkdir()
    (project / "headers/types.h").write_text(
        "typedef int pid_t; typedef unsigned int __u32; typedef unsigned long long __u64;\n"
        "typedef long long __s64; typedef int __s32; typedef unsigned short __u16; typedef __u16 __be16;\n"
        "typedef __u32 __be32; typedef __u32 __wsum; typedef unsigned char __u8; typedef _Bool bool;\n"
        "typedef signed char __s8; typedef short __s16; typedef __u64 __be64; typedef __u16 __sum16;\n"
        "enum { BPF_MAP_TYPE_LRU_HASH = 9, BPF_NOEXIST = 1 };\n"
    )
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    assert built_wheel(with_pylibbpf, project).name == f"busiest-1.0-py3-none-{platform}.whl"


def test_an_editable_install_makes_the_skeleton_beside_its_source(
    with_pylibbpf: Environment, project: Path
) -> None:
    with_pylibbpf.pip("install", *OFFLINE, "--editable", project)
    assert (project / "src/busiest/busiest_skel.py").exists()
    where = "import busiest.busiest_skel as module; print(module.__file__)"
    found = run(with_pylibbpf.python, "-c", where, cwd=with_pylibbpf.directory)
    assert found.strip() == str(project / "src/busiest/busiest_skel.py")


def test_the_sdist_has_the_source(with_pylibbpf: Environment, project: Path) -> None:
    output = project.parent / "sdist"
    command = ("-m", "build", "--sdist", "--no-isolation", "--outdir", output, project)
    run(with_pylibbpf.python, *command, cwd=with_pylibbpf.directory)
    (sdist,) = output.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert "busiest-1.0/src/busiest/busiest.bpf.c" in archive.getnames()


@pytest.mark.parametrize(
    ("text", "environment_variable", "words"),
    [
        ("", "no-such-clang", "apt install clang"),
        ('skeleton = ["x"]', "clang", "[tool.pylibbpf] has no skeleton; it has skeletons,"),
        ('include = "headers"', "clang", "[tool.pylibbpf] include must be a list of strings"),
    ],
)
def test_a_build_that_fails_says_what_to_do(
    with_pylibbpf: Environment, project: Path, text: str, environment_variable: str, words: str
) -> None:
    with (project / "pyproject.toml").open("a") as file:
        file.write(f"{text}\n")
    done = subprocess.run(
        [with_pylibbpf.python, "-m", "pip", "install", *OFFLINE, project],
        env={**os.environ, "CLANG": environment_variable}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
