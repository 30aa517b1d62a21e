# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/fentry_filename_lookup.py and fexit_filename_lookup.py: a line for each name looked up."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests import requirements
from tests.examples.running import assert_advises, give_up_rights, line_with, output, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "prepare")

EXAMPLES = ["fentry_filename_lookup", "fexit_filename_lookup"]


@pytest.mark.needs("fentry")
def test_fentry_prints_the_names_that_this_process_looks_up(tmp_path: Path) -> None:
    with running("fentry_filename_lookup", "--pid", os.getpid()) as process:
        assert line_with(process, "NAME").split() == ["PID", "COMMAND", "NAME"]
        assert not (tmp_path / "first").exists()
        assert line_with(process, str(tmp_path / "first")).split()[0] == str(os.getpid())
        assert not (tmp_path / "second").exists()
        line_with(process, str(tmp_path / "second"))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.needs("fentry")
def test_fexit_prints_what_came_of_it(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    with running("fexit_filename_lookup", "--pid", os.getpid()) as process:
        assert line_with(process, "NAME").split() == ["PID", "COMMAND", "RESULT", "NAME"]
        for name, result in (("there", "0"), ("missing", "ENOENT"), ("there/below", "ENOTDIR")):
            (tmp_path / name).exists()
            line = line_with(process, str(tmp_path / name))
            assert line.split()[0] == str(os.getpid())
            assert line.split()[-2] == result
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.needs("fentry")
@pytest.mark.parametrize("example", EXAMPLES)
def test_it_ends_after_the_time_given(example: str) -> None:
    assert len(output(example, "--seconds", 0)) == 1


@pytest.mark.needs("fentry")
def test_another_function_can_be_looked_at(tmp_path: Path) -> None:
    # The name that it has in 7.x comes second.
    names = "do_filp_open", "do_file_open"
    function = next(name for name in names if requirements.kernel_knows(name))
    with running("fentry_filename_lookup", "--function", function, "--pid", os.getpid()) as process:
        line_with(process, "NAME")
        (tmp_path / "opened").touch()
        line_with(process, str(tmp_path / "opened"))


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_function_that_the_kernel_does_not_have_is_named(example: str) -> None:
    assert_advises(run(example, "--function", "filename_look"), example, "'filename_look'")


@pytest.mark.parametrize("example", EXAMPLES)
def test_without_rights_or_trampolines_it_says_what_it_needs(example: str) -> None:
    assert_advises(run(example, preexec=give_up_rights), example, "It needs root")
    if not requirements.fentry():
        assert_advises(run(example), example, "BPF trampolines")
