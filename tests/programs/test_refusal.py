# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What is said of a program that the kernel refuses to root as well."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.programs import FEntry

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.needs("no_fentry")
@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.needs("prepare"), id="alone")])
def test_a_kernel_without_trampolines_is_told_from_a_lack_of_rights(bpf_object: Find, alone: bool) -> None:
    with bpf.Object.open(bpf_object("functions")) as obj:
        program = obj.program("entered", FEntry)
        program.autoload = True
        with pytest.raises(
            bpf.PermissionDeniedError, match="need BPF trampolines, which this kernel may lack"
        ):
            program.load() if alone else obj.load()


LOAD = """
import sys
import pylibbpf as bpf
with bpf.Object.open(sys.argv[1]) as obj:
    obj.programs[sys.argv[2]].autoload = True
    try:
        obj.load()
    except bpf.BpfError as error:
        print(type(error).__name__, error.hint, sep=": ")
"""


def load_with_securityfs(path: Path, program: str) -> str:
    """The class and hint of a failed load, in a mount namespace where the level of lockdown can be read."""
    script = 'mount -t securityfs securityfs /sys/kernel/security; exec "$0" "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, sys.executable, "-c", LOAD, str(path), program],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.needs("lockdown")
def test_a_helper_that_lockdown_forbids_is_named_with_its_level(bpf_object: Find) -> None:
    said = load_with_securityfs(bpf_object("locked"), "writes")
    assert said.startswith("VerifierError: Kernel lockdown is '")
    assert "which forbids bpf_probe_write_user to root as well" in said


@pytest.mark.needs("lockdown", "no_fentry")
def test_lockdown_is_named_for_what_the_kernel_does_not_permit(bpf_object: Find) -> None:
    said = load_with_securityfs(bpf_object("functions"), "entered")
    assert said.startswith("PermissionDeniedError: Kernel lockdown is '")
    assert "need BPF trampolines" in said


@pytest.mark.needs("own_kernel")
def test_a_program_that_lockdown_would_forbid_loads_without(bpf_object: Find) -> None:
    with bpf.Object.load_file(bpf_object("locked")) as obj:
        assert obj.programs["writes"].fd > 0
