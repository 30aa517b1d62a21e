# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What is no BPF object, and who may not load one: the documented exception, and nothing printed."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pylibbpf as bpf

ROOT = Path(__file__).resolve().parent.parent
Find = Callable[[str], Path]


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> object:
    yield
    assert capfd.readouterr() == ("", "")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        bpf.Object.open(tmp_path / "missing.bpf.o")
    assert isinstance(caught.value, bpf.NotFoundError)
    assert caught.value.errno == errno.ENOENT
    assert "missing.bpf.o" in str(caught.value)


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(bpf.FormatError, match="Is a directory"):
        bpf.Object.open(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.bpf.o").touch()
    with pytest.raises(bpf.FormatError, match="The file is empty"):
        bpf.Object.open(tmp_path / "empty.bpf.o")


def test_an_empty_buffer() -> None:
    with pytest.raises(ValueError, match="The buffer is empty"):
        bpf.Object.open(b"")


def test_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "text.bpf.o").write_text("int main(void) { return 0; }\n" * 100)
    with pytest.raises(bpf.FormatError, match="clang -g -O2 -target bpf"):
        bpf.Object.open(tmp_path / "text.bpf.o")


@pytest.mark.parametrize("size", [4, 64, 100, 1000, 3000])
def test_a_truncated_elf(bpf_object: Find, size: int) -> None:
    image = bpf_object("spine").read_bytes()
    with pytest.raises(bpf.FormatError):
        bpf.Object.open(image[:size])


def test_an_elf_that_is_no_bpf_object() -> None:
    with pytest.raises(bpf.FormatError, match="not a valid eBPF object file"):
        bpf.Object.open(sys.executable)


def test_a_file_that_may_not_be_read(tmp_path: Path, bpf_object: Find) -> None:
    path = tmp_path / "secret.bpf.o"
    path.write_bytes(b"")
    path.chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", """
import os, sys
import pylibbpf as bpf
bpf.Object
os.setresuid(65534, 65534, 65534)
try:
    bpf.Object.open(sys.argv[1])
except PermissionError as error:
    print(type(error).__name__)
""", str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("PermissionDeniedError\n", "")


@pytest.mark.needs("root")
@pytest.mark.host("compiles with clang")
def test_an_object_for_machines_of_the_other_byte_order(tmp_path: Path) -> None:
    target = {"little": "bpfeb", "big": "bpfel"}[sys.byteorder]
    (tmp_path / "foreign.bpf.c").write_text(
        "struct pair { int a, b; } pair;\n"
        '__attribute__((section("socket"))) int first(void *context) { return pair.a; }\n'
    )
    path = tmp_path / "foreign.bpf.o"
    subprocess.run(
        ["clang", "-target", target, "-O2", "-g", "-c", "-o", path, tmp_path / "foreign.bpf.c"], check=True
    )
    with pytest.raises(bpf.FormatError, match="compiled for machines of the other byte order"):
        bpf.Object.load_file(path)
    with bpf.Btf.from_file(path) as btf:
        assert btf.byteorder != sys.byteorder
        assert "int a;" in btf.c_dump("pair")


def without_btf(path: Path) -> bytes:
    """An object whose BTF nobody finds."""
    return path.read_bytes().replace(b".BTF", b".XTF")


def test_an_object_with_maps_and_without_btf(bpf_object: Find) -> None:
    with pytest.raises(bpf.FormatError, match="BTF is required"):
        bpf.Object.open(without_btf(bpf_object("rejected")))


def test_an_object_that_needs_no_btf(bpf_object: Find) -> None:
    with bpf.Object.open(without_btf(bpf_object("plain"))) as obj:
        assert obj.btf is None
        assert list(obj.programs) == ["nothing"]


@pytest.mark.parametrize("source", [None, 7, 1.5, object(), ["x"]])
def test_what_is_neither_path_nor_buffer(source: object) -> None:
    with pytest.raises(TypeError, match=r"path or a contiguous buffer"):
        bpf.Object.open(source)  # type: ignore[arg-type]


def test_a_path_with_a_nul_byte() -> None:
    with pytest.raises(ValueError, match="NUL"):
        bpf.Object.open("a\0b")


@pytest.mark.needs("root", "vmlinux_btf")
@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**64])
def test_a_global_that_does_not_fit(bpf_object: Find, value: int) -> None:
    with bpf.Object.open(bpf_object("spine")) as obj:
        variable = obj.variables["target_pid"]
        variable.value = 5
        with pytest.raises(OverflowError):
            variable.value = value
        assert variable.value == 5


@pytest.mark.needs("root", "vmlinux_btf")
@pytest.mark.parametrize("value", ["1", 1.0, None, [1]])
def test_a_global_of_another_type(bpf_object: Find, value: object) -> None:
    with bpf.Object.open(bpf_object("spine")) as obj, pytest.raises(TypeError):
        obj.variables["target_pid"].value = value


@pytest.mark.needs("root", "vmlinux_btf")
def test_without_the_capability_the_message_names_it(bpf_object: Find) -> None:
    done = subprocess.run(
        [sys.executable, "-c", """
import os, sys
import pylibbpf as bpf
obj = bpf.Object.open(sys.argv[1])
before = set(os.listdir("/proc/self/fd"))
os.setresuid(65534, 65534, 65534)  # drops every capability
try:
    obj.load()
except PermissionError as error:
    assert isinstance(error, bpf.PermissionDeniedError)
    print(error)
obj.close()
assert set(os.listdir("/proc/self/fd")) <= before
""", str(bpf_object("spine"))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert "lacks CAP_BPF" in done.stdout
    assert len(done.stdout.splitlines()) < 20
