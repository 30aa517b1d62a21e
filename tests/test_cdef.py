# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The declarations in cdef/ against the headers of the vendored libbpf, and the types of the extension."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

import pytest

from pylibbpf._libbpf import ffi, lib
from pylibbpf.enums import (
    AttachFlags,
    AttachType,
    LinkType,
    MapFlags,
    MapType,
    ProgramFlags,
    ProgramType,
    UpdateFlags,
)

ROOT = Path(__file__).resolve().parent.parent
LIBBPF = ROOT / "libbpf"
HEADERS = ("bpf.h", "libbpf_legacy.h", "libbpf.h", "btf.h")

pytestmark = pytest.mark.host("reads libbpf's headers")


def without_comments(path: Path) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)


def exported_functions() -> set[str]:
    """The functions that libbpf's linker script exports."""
    script = without_comments(LIBBPF / "src" / "libbpf.map")
    blocks = re.findall(r"global:(.*?)[}:]", script, re.S)
    return {name for block in blocks for name in re.findall(r"(\w+);", block)}


def header_functions() -> set[str]:
    """The functions that libbpf's headers declare as its API."""
    texts = (without_comments(LIBBPF / "src" / header) for header in HEADERS)
    return {name for text in texts for name in re.findall(r"\bLIBBPF_API\b[^;(]*?(\w+)\s*\(", text)}


def omitted_functions() -> dict[str, str]:
    """The functions that cdef/omitted.txt lists, with their reasons."""
    lines = (ROOT / "cdef" / "omitted.txt").read_text().splitlines()
    entries = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {name.strip(): reason.strip() for name, _, reason in entries}


def header_enumerators(enum: str) -> dict[str, int]:
    """The enumerators of an enum of linux/bpf.h."""
    text = without_comments(LIBBPF / "include" / "uapi" / "linux" / "bpf.h")
    body = re.search(rf"enum {enum} {{(.*?)}};", text, re.S)
    assert body, f"linux/bpf.h has no enum {enum}"
    values: dict[str, int] = {}
    following = 0
    for item in body[1].split(","):
        name, _, value = (part.strip() for part in item.partition("="))
        if name:
            # Behind "=" stands a number or an enumerator above.
            values[name] = values[value] if value in values else int(value, 0) if value else following
            following = values[name] + 1
    return values


def declared_functions() -> set[str]:
    return {name for name in dir(lib) if callable(getattr(lib, name))}


def test_the_headers_declare_what_the_linker_script_exports() -> None:
    assert header_functions() == exported_functions()


def test_every_function_is_declared_or_omitted() -> None:
    assert exported_functions() - declared_functions() == set(omitted_functions())


def test_every_omission_has_a_reason() -> None:
    assert [name for name, reason in omitted_functions().items() if not reason] == []


def test_every_name_of_lib_can_be_reached() -> None:
    # Lazily bound: an attribute that does not agree with the C compiler fails only when it is read.
    for name in dir(lib):
        getattr(lib, name)


# An enumerator in the cdef costs 190 bytes of the extension: the values live in enums.py.
@pytest.mark.parametrize(
    ("enum", "members", "prefix"),
    [
        ("bpf_map_type", MapType, "BPF_MAP_TYPE_"),
        ("bpf_prog_type", ProgramType, "BPF_PROG_TYPE_"),
        ("bpf_attach_type", AttachType, "BPF_"),
        ("bpf_link_type", LinkType, "BPF_LINK_TYPE_"),
    ],
)
def test_the_enumerators_are_those_of_the_header(enum: str, members: type[IntEnum], prefix: str) -> None:
    expected: dict[int, str] = {}
    for name, value in header_enumerators(enum).items():
        if not name.startswith(("__", "MAX_")):
            # The first name of a value is the one in use; later ones are aliases.
            expected.setdefault(value, name.removeprefix(prefix).removesuffix("_DEPRECATED"))
    assert {member.value: member.name for member in members if "UNKNOWN" not in member.name} == expected


@pytest.mark.parametrize(
    ("members", "prefix"),
    [(UpdateFlags, "BPF_"), (MapFlags, "BPF_F_"), (ProgramFlags, "BPF_F_"), (AttachFlags, "BPF_F_")],
)
def test_the_flags_are_those_of_the_header(members: type[IntFlag], prefix: str) -> None:
    text = without_comments(LIBBPF / "include" / "uapi" / "linux" / "bpf.h")
    for name, member in members.__members__.items():
        spellings = "|".join((f"BPF_F_{name}", prefix + name, prefix + name.replace("_", "")))
        number = r"\s*(?:=\s*)?\(?(\d+)U?(?:LL)?(?:\s*<<\s*(\d+))?"
        found = re.findall(rf"\b(?:{spellings}){number}", text)
        values = {int(base) << int(shift or 0) for base, shift in found}
        assert values == {member.value}, name


def fields(type_: Any, path: str = "", start: int = 0) -> Iterator[tuple[str, int, int]]:
    """Path, offset and size of each field, also inside structs that have no name of their own."""
    for name, field in type_.fields or ():
        if field.bitsize >= 0 or (field.type.kind == "array" and field.type.length is None):
            continue  # neither offsetof a bit-field nor sizeof a flexible array is C
        offset = start + field.offset
        # cffi loses a nameless union inside a nameless struct. The cdef calls it u, C calls it nothing.
        if name != "u":
            yield path + name, offset, ffi.sizeof(field.type)
        if field.type.kind in ("struct", "union") and "$" in field.type.cname:
            yield from fields(field.type, path if name == "u" else f"{path}{name}.", offset)


def test_every_field_lies_where_the_c_compiler_puts_it(tmp_path: Path) -> None:
    # cffi compares the fields of named structs by itself, but not those of structs inside them.
    _, structs, unions = ffi.list_types()
    checks = []
    for name in [*(f"struct {name}" for name in structs), *(f"union {name}" for name in unions)]:
        if name.startswith("struct glue_"):
            continue
        type_ = ffi.typeof(name)
        try:
            size = ffi.sizeof(type_)
        except ffi.error as error:
            if "don't know the size" in str(error):
                continue  # opaque
            raise
        checks.append(f'_Static_assert(sizeof({name}) == {size}, "{name}");')
        for path, offset, field_size in fields(type_):
            checks.append(f'_Static_assert(offsetof({name}, {path}) == {offset}, "{name} {path}");')
            checks.append(f'_Static_assert(sizeof((({name} *)0)->{path}) == {field_size}, "{name} {path}");')
    assert len(checks) > 400
    includes = ("stddef.h", "linux/bpf.h", "linux/btf.h", "bpf.h", "btf.h", "libbpf.h")
    source = tmp_path / "fields.c"
    source.write_text("\n".join([*(f"#include <{header}>" for header in includes), *checks, ""]))
    directories = [f"-I{LIBBPF / directory}" for directory in ("src", "include", "include/uapi")]
    compiled = subprocess.run(
        ["cc", "-fsyntax-only", "-D_GNU_SOURCE", *directories, str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stderr


def test_the_types_of_the_extension_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "cdef" / "stubs.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"run `python cdef/stubs.py`:\n{result.stdout}{result.stderr}"
