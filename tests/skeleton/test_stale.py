# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Skeletons that are made again, and those that are checked in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pylibbpf.skeleton import compile_object, generate
from pylibbpf.skeleton.stale import declarations, image
from tests.cli.commands import failure, output
from tests.conftest import ROOT

pytestmark = pytest.mark.host("nothing here depends on the kernel")

# The source of each skeleton that is checked in.
CHECKED_IN = [ROOT / "examples/package_with_skeleton/src/busiest/busiest.bpf.c"]


def compiled(source: Path, directory: Path) -> Path:
    path = directory / source.name.replace(".bpf.c", ".bpf.o")
    compile_object(source, path, include=[ROOT / "build", ROOT / "build" / "include"])
    return path


@pytest.mark.parametrize("source", CHECKED_IN, ids=lambda path: path.name)
def test_no_skeleton_that_is_checked_in_is_stale(source: Path, tmp_path: Path) -> None:
    # Without the object: this machine's clang need not be that of whoever made it.
    path = source.with_name(source.name.replace(".bpf.c", "_skel.py"))
    made = generate(compiled(source, tmp_path))
    assert declarations(path.read_text()) == declarations(made), f"pylibbpf gen skeleton -o {path}"


def test_every_skeleton_that_is_checked_in_is_looked_at() -> None:
    modules = {path for folder in ("examples", "tests") for path in (ROOT / folder).rglob("*_skel.py")}
    assert modules == {path.with_name(path.name.replace(".bpf.c", "_skel.py")) for path in CHECKED_IN}


def test_the_same_object_gives_the_same_skeleton(bpf_object: Callable[[str], Path]) -> None:
    assert generate(bpf_object("skeleton")) == generate(bpf_object("skeleton"))


def test_the_same_source_gives_the_same_skeleton_wherever_it_lies(tmp_path: Path) -> None:
    made = []
    for name in ("here", "elsewhere"):
        (directory := tmp_path / name).mkdir()
        source = directory / CHECKED_IN[0].name
        source.write_bytes(CHECKED_IN[0].read_bytes())
        made.append(generate(compiled(source, directory)))
    assert made[0] == made[1]
    embedded = image(made[0])
    assert embedded is not None
    assert b"busiest.bpf.c" in embedded
    assert str(tmp_path).encode() not in embedded


def test_check_passes_a_fresh_skeleton(bpf_object: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "skeleton_skel.py"
    assert output("gen", "skeleton", bpf_object("skeleton"), "-o", path) == ""
    for what in ("declarations", "all"):
        assert output("gen", "skeleton", bpf_object("skeleton"), "-o", path, "--check", what) == ""


def test_check_finds_what_the_object_declares_otherwise(
    bpf_object: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "skeleton_skel.py"
    path.write_text(generate(bpf_object("skeleton")).replace("from_: int", "from_: str"))
    for what in ("declarations", "all"):
        said = failure("gen", "skeleton", bpf_object("skeleton"), "-o", path, "--check", what)
        assert f"{path} is stale: it does not declare what the object has" in said


def test_check_all_finds_another_object_with_the_same_declarations(tmp_path: Path) -> None:
    for value in (1, 2):
        (tmp_path / "tool.bpf.c").write_text(f"int value = {value};\n")
        compile_object(tmp_path / "tool.bpf.c", tmp_path / "tool.bpf.o")
        if value == 1:
            output("gen", "skeleton", tmp_path / "tool.bpf.o", "-o", tmp_path / "tool_skel.py")
    arguments = ("gen", "skeleton", tmp_path / "tool.bpf.o", "-o", tmp_path / "tool_skel.py", "--check")
    assert output(*arguments, "declarations") == ""
    assert "it has another object in it" in failure(*arguments, "all")


def test_check_needs_a_file() -> None:
    assert "-o PATH" in failure("gen", "skeleton", "tool.bpf.o", "--check", "all")


def test_a_type_that_is_named_gets_a_class(bpf_object: Callable[[str], Path]) -> None:
    arguments = ("gen", "skeleton", bpf_object("skeleton"), "--name", "Tool")
    made = output(*arguments, "--type", "struct __sk_buff")
    assert "class SkBuff(skeleton.Struct):" in made
    assert "class Tool(skeleton.Skeleton):" in made
    assert "SkBuff" not in output(*arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--type", "struct evnt"), "struct event"),
        (("--type", "int"), "int is no struct, union or enum"),
        (("--name", "a b"), "cannot be the name of a class"),
        (("--name", "None"), "cannot be the name of a class"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    arguments: tuple[str, ...], words: str, bpf_object: Callable[[str], Path]
) -> None:
    assert words in failure("gen", "skeleton", bpf_object("skeleton"), *arguments)
