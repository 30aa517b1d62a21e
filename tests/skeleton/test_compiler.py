# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""compile_object: what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from pylibbpf.skeleton import CompileError, compile_object

pytestmark = pytest.mark.host("nothing here depends on the kernel")


def refusal(directory: Path, text: str, clang: str = "") -> str:
    source = directory / "tool.bpf.c"
    source.write_text(text)
    with pytest.raises(CompileError) as caught:
        compile_object(source, directory / "tool.bpf.o", clang=clang)
    assert not (directory / "tool.bpf.o").exists()
    return str(caught.value)


def test_a_missing_clang_is_to_be_installed(tmp_path: Path) -> None:
    said = refusal(tmp_path, "", clang="no-such-clang")
    assert said.startswith(f"cannot compile {tmp_path}/tool.bpf.c: there is no 'no-such-clang'. ")
    assert "apt install clang" in said


def test_the_variable_clang_names_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLANG", "clang-of-mine")
    assert "there is no 'clang-of-mine'" in refusal(tmp_path, "")


def test_a_directory_is_no_compiler(tmp_path: Path) -> None:
    assert "Permission denied" in refusal(tmp_path, "", clang=str(tmp_path))


def test_what_clang_says_is_in_the_message(tmp_path: Path) -> None:
    assert "error: unknown type name 'wrong'" in refusal(tmp_path, "wrong value;")


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        ("bpf/nothing.bpf.h", "install libbpf-dev"),
        ("vmlinux.h", "pylibbpf btf dump > vmlinux.h"),
        ("asm/nothing.h", "linux-libc-dev"),
    ],
)
def test_a_missing_header_is_to_be_installed(tmp_path: Path, header: str, advice: str) -> None:
    assert advice in refusal(tmp_path, f"#include <{header}>\n")


def test_headers_of_this_machine_are_found(tmp_path: Path) -> None:
    (tmp_path / "tool.bpf.c").write_text("#include <linux/types.h>\n__u64 value;\n")
    compile_object(tmp_path / "tool.bpf.c", tmp_path / "tool.bpf.o")
    assert (tmp_path / "tool.bpf.o").exists()
