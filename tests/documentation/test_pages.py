# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The tutorial and the guides do what they say: every file is written, and every command printed that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.documentation.pages import Command, File, agree, steps

DOCS = ROOT / "docs"
PAGES = [DOCS / "tutorial.rst", *sorted((DOCS / "guides").glob("*.rst"))]


@pytest.mark.host("pages show what one kernel printed")
@pytest.mark.needs("root", "vmlinux_btf", "bpffs", "iproute2", "libbpf_1_7")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "--mount", "--net", sys.executable, "-m", "tests.documentation.pages", page, tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


PAGE = """
Title
=====

.. code-block:: python
   :caption: tool.py

   print("one")

   print("two")

Words.

.. code-block:: console

   # python tool.py
   one
   two
   # true

.. code-block:: python

   shown_only()
"""


@pytest.mark.host("about the test itself")
def test_the_steps_of_a_page_are_its_files_and_commands() -> None:
    assert list(steps(PAGE)) == [
        File("tool.py", 'print("one")\n\nprint("two")\n'),
        Command("python tool.py", "one\ntwo\n"),
        Command("true", ""),
    ]


@pytest.mark.host("about the test itself")
@pytest.mark.parametrize(
    ("expected", "printed", "agrees"),
    [
        ("3 passed in 0.12s\n", "3 passed in 4.01s\n", True),
        ("3 passed in 0.12s\n", "2 passed in 0.12s\n", False),
        ("PID 4711\n", "PID 12345\n", True),
        ("a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("a\n", "a\nb\n", False),
    ],
)
def test_what_varies_is_not_compared(expected: str, printed: str, agrees: bool) -> None:
    assert agree(expected, printed) == agrees
