# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Follows a page of the manual as its reader would: writes its files, and runs its commands in order.

A code block with a caption is a file. One of the kind `console` has commands, each behind `# `, and what
they print: `...` stands for anything, and a number of more than one digit for any other. Whatever else a page
has is shown only.

    python -m tests.documentation.pages PAGE DIRECTORY

runs a page in a directory. It makes mounts and interfaces: call it by `unshare --mount --net`.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(
    r"^\.\. code-block:: (?P<language>\w+)\n(?P<options>(?:   :.*\n)*)\n(?P<body>(?:(?:   .*)?\n)+)",
    re.MULTILINE,
)
_CAPTION = re.compile(r":caption: (\S+)$", re.MULTILINE)
# Process ids, times, addresses and sizes differ from run to run; small numbers are part of what is shown.
_VARYING = re.compile(r"\d+\.\d+|\d{2,}|\d+(?= ns)")


@dataclass(frozen=True)
class File:
    """A file that the reader writes."""

    name: str
    contents: str


@dataclass(frozen=True)
class Command:
    """A command that the reader runs, and what it prints."""

    line: str
    expected: str


def steps(text: str) -> Iterator[File | Command]:
    """The steps of a page, in order."""
    for block in _BLOCK.finditer(text):
        body = textwrap.dedent(block["body"]).strip("\n") + "\n"
        caption = _CAPTION.search(block["options"])
        if caption:
            yield File(caption[1], body)
        elif block["language"] == "console":
            for part in re.split(r"^# ", body, flags=re.MULTILINE)[1:]:
                line, _, expected = part.partition("\n")
                yield Command(line, expected)


def follow(page: Path, directory: Path) -> None:
    """Does what a page says. Raises AssertionError for the first command that prints something else."""
    for step in steps(page.read_text()):
        if isinstance(step, File):
            path = directory / step.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.contents)
            continue
        done = subprocess.run(
            ["bash", "-c", step.line], cwd=directory, env=environment(), check=False, text=True, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert agree(step.expected, done.stdout), (
            f"{page.name}: # {step.line}\n--- the page says\n{step.expected}--- it printed\n{done.stdout}"
        )


def agree(expected: str, printed: str) -> bool:
    """Whether a command printed what the page says."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(
        _without_varying(expected), _without_varying(printed), options
    )


def _without_varying(text: str) -> str:
    return _VARYING.sub("N", text).replace("<BLANKLINE>", "").strip() + "\n"


def environment() -> dict[str, str]:
    """The reader's: the commands of this Python's environment come first, and Python buffers its output."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return own | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "PYTHONWARNINGS": "default"}


def main() -> int:
    page, directory = map(Path, sys.argv[1:])
    for command in (
        "mount -t bpf bpf /sys/fs/bpf",
        "ip link set lo up",
    ):
        subprocess.run(command.split(), check=True)
    # What `make build` has made in the reader's checkout.
    for name in ("build", "examples"):
        (directory / name).symlink_to(ROOT / name)
    try:
        follow(page, directory)
    except AssertionError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
