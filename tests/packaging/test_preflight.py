# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What make says when something is missing, before it does anything: one line, with what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.host("about the machine that builds")


class Machine:
    """This machine's programs, less some; its user is not root, so nothing gets installed."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        for directory in reversed(os.environ["PATH"].split(":")):
            for program in Path(directory).glob("*"):
                self.without(program.name)
                (programs / program.name).symlink_to(program)
        self.program("id", "echo 1000")

    def without(self, name: str) -> None:
        (self.programs / name).unlink(missing_ok=True)

    def program(self, name: str, script: str) -> None:
        self.without(name)
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def preflight(self, *purposes: str, python: str = sys.executable) -> tuple[int, str]:
        result = subprocess.run(
            ["/bin/sh", ROOT / "packaging/preflight.sh", *purposes],
            env={"PATH": str(self.programs), "PYTHON": python},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return result.returncode, result.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_is_said_when_all_is_there(machine: Machine) -> None:
    assert machine.preflight("build") == (0, "")


def test_no_clang(machine: Machine) -> None:
    machine.without("clang")
    assert machine.preflight("build") == (
        1,
        "missing: clang. Run make as root on Debian, or install what Debian calls clang\n",
    )


def test_no_headers(machine: Machine) -> None:
    # A compiler that finds the C library's headers and no other.
    machine.program("cc", 'read -r line; [ "$line" = "#include <stdio.h>" ]')
    assert machine.preflight("build") == (
        1,
        "missing: libelf.h, zlib.h."
        " Run make as root on Debian, or install what Debian calls libelf-dev zlib1g-dev\n",
    )


def test_no_root(machine: Machine) -> None:
    assert machine.preflight("kernel") == (
        1,
        "no root: loading BPF programs needs it. Run make as root.\n",
    )


def test_old_python(machine: Machine) -> None:
    # What sys.version_info is asked for fails; the rest succeeds.
    machine.program("python3.9", 'case "$*" in *version_info*) exit 1 ;; esac')
    assert machine.preflight("build", python="python3.9") == (
        1,
        "python3.9 is older than 3.10. Name a newer one: make PYTHON=python3.12\n",
    )


def test_root_gets_what_is_missing_installed(machine: Machine, tmp_path: Path) -> None:
    machine.program("id", "echo 0")
    machine.without("clang")
    calls = tmp_path / "calls"
    # The first time apt has no package lists yet.
    machine.program(
        "apt-get",
        f"""\
echo "$*" >> {calls}
case "$*" in
*update*) touch {tmp_path}/updated ;;
*install*) [ -e {tmp_path}/updated ] && echo >&2 noise && ln -s /bin/true {machine.programs}/clang ;;
esac""",
    )
    status, said = machine.preflight("build")
    assert status == 0
    assert said.splitlines()[0] == "installing clang"
    assert [call.split()[-1] for call in calls.read_text().splitlines()] == ["clang", "update", "clang"]


def test_root_learns_when_nothing_can_be_installed(machine: Machine) -> None:
    machine.program("id", "echo 0")
    machine.program("apt-get", "echo >&2 'E: no network'; exit 100")
    machine.without("clang")
    status, said = machine.preflight("build")
    assert status == 1
    assert "E: no network\n" in said
    assert said.splitlines()[-1].startswith("missing: clang.")
