# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/deny_file.py: nobody can open one file, while it runs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests import requirements
from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "prepare")


@pytest.mark.needs("lsm")
def test_a_file_is_denied_by_all_its_names_until_it_ends(tmp_path: Path) -> None:
    path, other, link = tmp_path / "denied", tmp_path / "other", tmp_path / "link"
    path.write_text("secret")
    other.write_text("not secret")
    link.hardlink_to(path)
    with running("deny_file", path) as process:
        assert line_with(process, "nobody") == f"nobody can open {path}"
        line_with(process, "PID")
        for name in path, link:
            with pytest.raises(PermissionError) as caught:
                name.read_text()
            assert caught.value.errno == errno.EPERM
            pid, uid, _ = line_with(process, f"{os.getpid()} ").split(maxsplit=2)
            assert (int(pid), int(uid)) == (os.getpid(), os.getuid())
        assert other.read_text() == "not secret"
        assert interrupt(process) == "denied 2 times\n"
    assert path.read_text() == link.read_text() == "secret"


@pytest.mark.host("needs no particular kernel")
def test_without_rights_or_the_lsm_it_says_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert_advises(run("deny_file", path), "deny_file", "No such file")
    path.touch()
    assert_advises(run("deny_file", path, preexec=give_up_rights), "deny_file", "It needs root")
    if not requirements.lsm():
        assert_advises(run("deny_file", path), "deny_file", "BPF LSM")
