# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Completion for bash and zsh, made from argparse's tree."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pylibbpf.cli.parser import COMMANDS
from tests.cli.commands import output

pytestmark = pytest.mark.host("a process for each test; bash is not in the guests")


def completed(*words: str) -> set[str]:
    """What bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f"{output('completion', 'bash')}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _pylibbpf; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_choices() -> None:
    assert completed("pylibbpf", "") >= {path[0] for path in COMMANDS}
    assert completed("pylibbpf", "ma") == {"map"}
    assert completed("pylibbpf", "map", "") >= {path[1] for path in COMMANDS if path[0] == "map"}
    assert completed("pylibbpf", "map", "dump", "--j") == {"--json"}
    assert completed("pylibbpf", "pin", "") >= {"prog", "map", "link"}
    assert completed("pylibbpf", "completion", "z") == {"zsh"}
    # What an option takes is left to the shell's own completion of files.
    assert completed("pylibbpf", "btf", "dump", "--file", "") == set()


def test_options_before_do_not_confuse_it() -> None:
    assert completed("pylibbpf", "prog", "list", "--type", "XDP", "--ho") == {"--holders"}


def test_zsh_is_told_the_same_words() -> None:
    script = output("completion", "zsh")
    assert script.startswith("#compdef pylibbpf\n")
    for path in COMMANDS:
        assert f"'{path[-1]}:" in script
    if shutil.which("zsh") is not None:
        subprocess.run(["zsh", "-n"], input=script, text=True, check=True)
