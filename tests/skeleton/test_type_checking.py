# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What `mypy --strict` finds in programs that use a skeleton, and what it lets pass."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pylibbpf.skeleton import generate
from tests.conftest import ROOT

pytestmark = pytest.mark.host("nothing here depends on the kernel")

BEFORE = """\
from __future__ import annotations

import pylibbpf as bpf
from skeleton_skel import Address, Colour, Event, Limits, PointT, Record, Skeleton


def use(skeleton: Skeleton, record: Record, event: Event) -> None:
"""

# A line of a program, and what is wrong with it.
WRONG = {
    "print(skeleton.programs.imprt)": '"SkeletonPrograms" has no attribute "imprt"',
    "skeleton.programs.import_.attach_xdp('lo')": '"SocketFilter" has no attribute "attach_xdp"',
    "print(skeleton.maps.event)": '"SkeletonMaps" has no attribute "event"',
    "print(skeleton.maps.traffic[1].packet)": '"TrafficValue" has no attribute "packet"',
    "print(skeleton.maps.traffic['1'])": "Invalid index type",
    "skeleton.maps.traffic[1] = 7": 'has incompatible type "int"; expected "TrafficValue"',
    "skeleton.maps.bss[0] = [['1']]": 'List item 0 has incompatible type "str"',
    "text: str = skeleton.maps.points[b'a'][0].x": 'expression has type "int", variable has type "str"',
    "skeleton.maps.events.push(1)": '"RingBufMap" has no attribute "push"',
    "skeleton.variables.lambada = 1": '"SkeletonVariables" has no attribute "lambada"',
    "skeleton.variables.lambda_ = '1'": 'expression has type "str", variable has type "int"',
    "skeleton.variables.LINUX_KERNEL_VERSION = 5": "Incompatible types in assignment",
    "skeleton.variables.table = ['1']": 'List item 0 has incompatible type "str"',
    "skeleton.variables.limits.rat = 1": '"Limits" has no attribute "rat"',
    "skeleton.variables.limits = {'rate': 1}": "Incompatible types in assignment",
    "print(record.form)": '"Record" has no attribute "form"',
    "record.form = 1": '"Record" has no attribute "form"',
    "record.label = 'text'": 'expression has type "str", variable has type "bytes"',
    "record.corners = [1]": 'List item 0 has incompatible type "int"; expected "PointT"',
    "print(record.corners[0].z)": '"PointT" has no attribute "z"',
    "print(record.matrix[0][0].x)": '"int" has no attribute "x"',
    "print(record.address.v5)": '"Address" has no attribute "v5"',
    "Record(form=1)": 'Unexpected keyword argument "form" for "Record"',
    "Record(label='text')": 'Argument "label" to "Record" has incompatible type "str"; expected "bytes"',
    "Record(halves='12')": 'has incompatible type "str"',
    "print(Colour.YELLOW)": 'has no attribute "YELLOW"',
    "for each in bpf.RingBuffer(skeleton.maps.events, Event): each.king": '"Event" has no attribute "king"',
    "skeleton.lod()": '"Skeleton" has no attribute "lod"',
}

RIGHT = """\
    skeleton.load()
    links: list[bpf.Link] = skeleton.attach()
    section: str = skeleton.programs.import_.section
    packets: int = skeleton.maps.traffic[1].packets
    matrix: list[list[int]] = skeleton.maps.bss[0]
    skeleton.maps.from_[Colour.GREEN] = Record(colour=Colour.RED, from_=1, label=b"text")
    skeleton.maps.from_[5] = record
    xs: list[int] = [point.x for point in skeleton.maps.points[b"name"]]
    skeleton.variables.lambda_ += 1
    skeleton.variables.table = (1, 2, 3)
    table: list[int] = skeleton.variables.table
    skeleton.variables.limits = Limits(rate=5, enabled=True)
    skeleton.variables.favourite = Colour.RED
    version: int = skeleton.variables.LINUX_KERNEL_VERSION
    record.matrix = [[1, 2, 3], [4, 5, 6]]
    record.matrix[1][2] = 12
    record.corners = [PointT(x=1), PointT(y=2), *record.corners[2:]]
    row: list[int] = [cell for cell in record.matrix[0]]
    record.address = Address(v6=bytes(16))
    record.done = True
    record = Record({"from": 1}, bytes=3)
    kind = event.kind + len(record.halves) + record.version
    fields: dict[str, object] = record.asdict()
    print(Record(__depth=1).__depth, Colour._LAST.name)
    with bpf.RingBuffer(skeleton.maps.events, Event) as events:
        for each in events:
            event = each
    skeleton.object.programs["import"].autoload = False
    with Skeleton.open(pin_root="/sys/fs/bpf/x") as other:
        other.detach()
"""


@pytest.fixture(scope="module")
def said(bpf_object: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """What mypy says of the lines of a program, by their numbers."""
    directory = tmp_path_factory.mktemp("program")
    (directory / "skeleton_skel.py").write_text(generate(bpf_object("skeleton")))
    lines = BEFORE + RIGHT + "".join(f"    {line}\n" for line in WRONG)
    (directory / "program.py").write_text(lines)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--hide-error-context"),
            *(f"--cache-dir={ROOT / 'build' / 'mypy-skeletons'}", "program.py"),
        ],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found: dict[int, str] = {}
    for line in done.stdout.splitlines():
        if match := re.match(r"program\.py:(\d+): error: (.*)", line):
            found[int(match[1])] = f"{found.get(int(match[1]), '')}{match[2]}\n"
        else:
            assert line.startswith(("program.py", "Found ")), done.stdout + done.stderr
    return found


def test_what_is_right_passes(said: dict[int, str]) -> None:
    last = len((BEFORE + RIGHT).splitlines())
    assert {number: text for number, text in said.items() if number <= last} == {}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_found(line: str, said: dict[int, str]) -> None:
    number = len((BEFORE + RIGHT).splitlines()) + list(WRONG).index(line) + 1
    assert WRONG[line] in said.get(number, "")
