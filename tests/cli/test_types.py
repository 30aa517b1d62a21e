# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""btf dump and find, and features."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf import features
from tests.cli.commands import data, failure, output, run

pytestmark = [pytest.mark.needs("vmlinux_btf"), pytest.mark.host("a process for each test")]


def test_one_type_is_dumped_as_c(bpf_object: Callable[[str], Path]) -> None:
    with bpf.Btf.vmlinux() as btf:
        assert output("btf", "dump", "struct list_head") == btf.c_dump("struct list_head")
    assert "char label[8];" in output("btf", "dump", "--file", bpf_object("cli"), "struct visit")


def test_types_functions_and_enumerators_are_found() -> None:
    with bpf.Btf.vmlinux() as btf:
        found = data("btf", "find", "list_head")
        assert {"id": btf.find("struct list_head").id, "kind": "STRUCT"}.items() <= found[0].items()
        assert output("btf", "find", "vfs_read", "--kind", "func").startswith(
            f"[{btf.function('vfs_read').id}] ssize_t vfs_read("
        )
        value = btf.enum_value("BPF_MAP_TYPE_RINGBUF")
        assert output("btf", "find", "BPF_MAP_TYPE_RINGBUF") == f"BPF_MAP_TYPE_RINGBUF = {value}\n"


def test_fields_are_found_with_their_offsets() -> None:
    with bpf.Btf.vmlinux() as btf:
        field = btf.field("struct task_struct", "se.vruntime")
    assert output("btf", "find", "struct task_struct.se.vruntime") == (
        f"u64 se.vruntime; /* offset {field.offset} of struct task_struct */\n"
    )
    assert data("btf", "find", "task_struct.comm")[0]["size"] == 16


def test_patterns_find_many_or_nothing(bpf_object: Callable[[str], Path]) -> None:
    found = data("btf", "find", "cli_*", "--kind", "func", "--file", bpf_object("cli"))
    assert {each["name"] for each in found} == {"cli_on_getpgid", "cli_pass", "cli_elements"}
    done = run("btf", "find", "nonesuch_*", "--file", bpf_object("cli"))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_names_that_are_not_there_offer_others() -> None:
    assert "did you mean" in failure("btf", "find", "task_strukt")
    assert "did you mean" in failure("btf", "find", "task_struct.com")
    assert "nonesuch" in failure("btf", "find", "task_struct", "--kind", "nonesuch")


@pytest.mark.needs("libbpf_1_7")
@pytest.mark.needs("root")
def test_features_are_those_that_the_kernel_has() -> None:
    found = data("features")
    assert found["kernel"] == os.uname().release
    assert found["map_types"]["RINGBUF"] == features.has_map_type(bpf.MapType.RINGBUF)
    assert found["map_types"]["ARENA"] == features.has_map_type(bpf.MapType.ARENA)
    text = output("features")
    has = sum(answer is True for answer in found["map_types"].values())
    assert f"types of maps: {has} of {len(found['map_types'])}" in text
    assert "possible cpus" in text
    assert re.search(r"^jit +(on|off)", text, re.MULTILINE)
    assert re.search(r"^unprivileged disabled +(yes|no)", text, re.MULTILINE)
