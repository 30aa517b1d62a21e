# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Where fields lie: against a C compiler, and against the offsets of every struct of the kernel."""

from __future__ import annotations

import ctypes
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from pylibbpf.btf import Btf, Composite, Member, Type, Union
from pylibbpf.btf.layout import Anonymous, BitField, StructCodec

SEED = 20240229
STRUCTS = 150


# --- a sample, against gcc ------------------------------------------------------------


class Scalar(NamedTuple):
    """A field that the C program sets, by its path, and the numbers it can hold."""

    path: str
    low: int
    high: int


class Sample:
    """C source of random structs."""

    integers = (
        ("signed char", 8, True),
        ("unsigned char", 8, False),
        ("short", 16, True),
        ("unsigned short", 16, False),
        ("int", 32, True),
        ("unsigned int", 32, False),
        ("long", 64, True),
        ("unsigned long long", 64, False),
    )

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.structs: list[tuple[str, str, list[Scalar]]] = []
        for index in range(STRUCTS):
            scalars: list[Scalar] = []
            body = self.body(scalars, "", depth=2)
            attribute = self.random.choice(
                ["", "", "", "__attribute__((packed))", "__attribute__((aligned(16)))"]
            )
            self.structs.append((f"sample_{index}", f"{{\n{body}}} {attribute}", scalars))

    def body(self, scalars: list[Scalar], prefix: str, depth: int) -> str:
        lines = [
            self.member(scalars, prefix, f"m{index}", depth) for index in range(self.random.randint(1, 7))
        ]
        return "".join(f"\t{line};\n" for line in lines)

    def member(self, scalars: list[Scalar], prefix: str, name: str, depth: int) -> str:
        # Names are unique in the whole struct, so that anonymous members do not clash.
        name = f"{name}_{len(scalars)}_{depth}"
        path = f"{prefix}{name}"
        kind = self.random.choice(
            [
                "integer",
                "integer",
                "bits",
                "bits",
                "bool",
                "enum",
                "array",
                "pointer",
                "chars",
                "struct",
                "union",
            ]
        )
        if depth == 0 and kind in ("struct", "union"):
            kind = "integer"
        type_name, bits, signed = self.random.choice(self.integers)
        low = -(1 << bits - 1) if signed else 0
        if kind == "bits":
            width = self.random.randint(1, bits)
            low = -(1 << width - 1) if signed else 0
            scalars.append(Scalar(path, low, low + (1 << width) - 1))
            return f"{type_name} {name} : {width}"
        if kind == "bool":
            scalars.append(Scalar(path, 0, 1))
            return f"_Bool {name}"
        if kind == "enum":
            scalars.append(Scalar(path, 0, 9))
            return f"enum choice {name}"
        if kind == "array":
            length = self.random.randint(1, 4)
            scalars += [Scalar(f"{path}[{index}]", low, low + (1 << bits) - 1) for index in range(length)]
            return f"{type_name} {name}[{length}]"
        if kind == "chars":
            return f"char {name}[{self.random.randint(1, 9)}]"
        if kind == "pointer":
            return f"void *{name}"
        if kind in ("struct", "union"):
            anonymous = self.random.random() < 0.5
            body = self.body(scalars, prefix if anonymous else f"{path}.", depth - 1)
            packed = " __attribute__((packed))" if self.random.random() < 0.2 else ""
            return f"{kind} {{\n{body}}}{packed}{'' if anonymous else f' {name}'}"
        scalars.append(Scalar(path, low, low + (1 << bits) - 1))
        return f"{type_name} {name}"

    def header(self) -> str:
        structs = "".join(
            f"struct {name} {body};\nstruct {name} a_{name};\n" for name, body, _ in self.structs
        )
        return f"enum choice {{ NONE, ONE, NINE = 9 }};\n{structs}"

    def program(self) -> str:
        """A program that writes the bytes of each struct with one field set, for each field."""
        lines = []
        for name, _, scalars in self.structs:
            lines.append(f'printf("{name} sizeof %zu\\n", sizeof(a_{name}));')
            for scalar in scalars:
                for value in (scalar.low, scalar.high):
                    number = f"{value + 1}LL - 1" if value < 0 else f"{value}ULL"
                    lines.append(
                        f"memset(&a_{name}, 0, sizeof(a_{name})); a_{name}.{scalar.path} = {number}; "
                        f'show("{name} {scalar.path} {value}", &a_{name}, sizeof(a_{name}));'
                    )
        body = "\n\t".join(lines)
        return f"""\
#include <stdio.h>
#include <string.h>
{self.header()}
static void show(const char *what, const void *data, size_t size)
{{
	printf("%s ", what);
	for (size_t i = 0; i < size; i++)
		printf("%02x", ((const unsigned char *)data)[i]);
	printf("\\n");
}}
int main(void)
{{
	{body}
	return 0;
}}
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Btf, str]]:
    """BTF of the structs, by clang for BPF, and what the program compiled by gcc prints."""
    path = tmp_path_factory.mktemp("layout")
    made = Sample(SEED)
    (path / "sample.bpf.c").write_text(made.header())
    (path / "sample.c").write_text(made.program())
    clang = ["clang", "-target", "bpf", "-g", "-O2", "-w", "-c", "sample.bpf.c", "-o", "sample.bpf.o"]
    subprocess.run(clang, check=True, cwd=path)
    subprocess.run(["gcc", "-w", "-O0", "sample.c", "-o", "sample"], check=True, cwd=path)
    printed = subprocess.run([path / "sample"], check=True, capture_output=True, text=True).stdout
    with Btf.from_elf(path / "sample.bpf.o") as btf:
        yield btf, printed


def set_by_path(value: Any, path: str, number: int) -> None:
    *inner, last = path.replace("[", ".[").split(".")
    for name in inner:
        value = getattr(value, name)
    if last.startswith("["):
        value[int(last[1:-1])] = number
    else:
        setattr(value, last, number)


def get_by_path(value: Any, path: str) -> int:
    for name in path.replace("[", ".[").split("."):
        value = value[int(name[1:-1])] if name.startswith("[") else getattr(value, name)
    return int(value)


@pytest.mark.host("compiles with gcc and clang")
def test_fields_lie_where_gcc_has_them(sample: tuple[Btf, str]) -> None:
    btf, printed = sample
    checked = 0
    for line in printed.splitlines():
        name, path, *rest = line.split()
        cls: Any = btf.to_ctypes(f"struct {name}")
        if path == "sizeof":
            assert ctypes.sizeof(cls) == int(rest[0]), name
            continue
        number, expected = int(rest[0]), bytes.fromhex(rest[1])
        made = cls()
        set_by_path(made, path, number)
        assert bytes(made) == expected, line
        assert get_by_path(cls.from_buffer_copy(expected), path) == number, line
        checked += 1
    assert checked > 1000


@pytest.mark.host("compiles with gcc and clang")
def test_members_of_the_sample_lie_where_btf_says(sample: tuple[Btf, str]) -> None:
    btf, _ = sample
    for found in btf:
        if isinstance(found, Composite):
            assert_layout(btf, found)


# --- every struct of the kernel, against its BTF ------------------------------------------


def assert_layout(btf: Btf, of: Composite) -> None:
    """Compares the class of a struct or union with the offsets in BTF."""
    codec = btf.codec(of)
    assert isinstance(codec, StructCodec)
    assert ctypes.sizeof(codec.cls) == codec.size == of.size
    parts = iter(codec.members)
    for member in of.members:
        target = btf.resolve(member.type)
        if not member.name and not isinstance(target, Composite):
            continue
        part = next(parts)
        if isinstance(part, Anonymous):
            assert not member.name
            assert part.offset == member.offset
        else:
            assert_field(codec.cls, part.name, member, target)
            assert isinstance(part, BitField) or part.offset == member.offset
    assert next(parts, None) is None


def assert_field(cls: Any, name: str, member: Member, target: Type) -> None:
    if member.bitfield_size:
        # All ones in its bits and nothing else is -1 or all ones in the field, and the other way round.
        size = ctypes.sizeof(cls)
        ones = ((1 << member.bitfield_size) - 1) << member.bit_offset
        image = ones.to_bytes(size, "little")
        value = getattr(cls.from_buffer_copy(image), name)
        if isinstance(member.owner, Union) or size < 512:
            made = cls()
            setattr(made, name, value)
            assert bytes(made) == image
        assert value in (-1, (1 << member.bitfield_size) - 1)
        assert not getattr(cls.from_buffer_copy((~ones & (1 << 8 * size) - 1).to_bytes(size, "little")), name)
        return
    field = vars(cls).get(name)
    if isinstance(field, property):
        field = getattr(cls, f"{name} (raw)")
    assert field.offset == member.offset
    assert field.size == target.size


@pytest.mark.host("tens of thousands of structs")
@pytest.mark.needs("vmlinux_btf")
def test_every_struct_of_the_kernel_lies_where_btf_says(capsys: pytest.CaptureFixture[str]) -> None:
    expressed, refused = 0, Counter[str]()
    with Btf.vmlinux() as btf:
        for found in btf:
            if not isinstance(found, Composite):
                continue
            try:
                btf.to_ctypes(found)
            except (TypeError, ValueError) as error:
                refused[f"{found}: {error}"] += 1
                continue
            assert_layout(btf, found)
            expressed += 1
    with capsys.disabled():
        print(
            f"\n{expressed} structs and unions of the kernel have a class, {sum(refused.values())} have none"
        )
        for why, count in refused.most_common():
            print(f"  {count} {why}")
    assert expressed > 5_000
    assert not refused


def test_paths_of_the_sample_are_unique() -> None:
    for name, _, scalars in Sample(SEED).structs:
        paths = [scalar.path for scalar in scalars]
        assert len(set(paths)) == len(paths), name
