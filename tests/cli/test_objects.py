# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""object show, check and gen object: files, and what this kernel would say to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import pylibbpf as bpf
from tests.cli.commands import data, failure, output, run
from tests.conftest import eventually, program_names, renamed

pytestmark = [pytest.mark.needs("root", "vmlinux_btf"), pytest.mark.host("a process for each test")]


def test_an_object_is_shown_and_nothing_loaded(bpf_object: Callable[[str], Path]) -> None:
    shown = data("object", "show", bpf_object("cli"))
    assert (shown["name"], shown["license"]) == ("cli", "GPL")
    assert [
        (each["name"], each["class"], each["section"], each["autoload"]) for each in shown["programs"]
    ] == [
        ("cli_on_getpgid", "TracePoint", "tracepoint/syscalls/sys_enter_getpgid", True),
        ("cli_pass", "Xdp", "xdp", False),
        ("cli_elements", "Iter", "iter/bpf_map_elem", False),
    ]
    maps = {each["name"]: each for each in shown["maps"]}
    assert maps["cli_visits"] == {
        "name": "cli_visits", "type": "HASH", "key_size": 4, "value_size": 24, "max_entries": 64,
        "key_type": "__u32", "value_type": "struct visit",
    }  # fmt: skip
    variables = {each["name"]: each for each in shown["variables"]}
    assert variables["colour"] == {
        "name": "colour", "type": "enum colour", "section": ".data", "size": 4, "value": "GREEN",
    }  # fmt: skip
    assert variables["target_pid"]["type"] == "const volatile pid_t"
    text = output("object", "show", bpf_object("cli"))
    assert "struct visit" in text


@pytest.mark.needs("prepare")
def test_relocations_that_would_fail_are_told_without_a_load(bpf_object: Callable[[str], Path]) -> None:
    shown = data("object", "show", bpf_object("relocations"))
    assert {each["program"] for each in shown["failed_relocations"]} == {"guarded", "unguarded"}
    assert all("no_such_field" in each["wanted"] for each in shown["failed_relocations"])
    assert data("object", "show", bpf_object("cli"))["failed_relocations"] == []


def test_what_is_no_object_says_so(tmp_path: Path) -> None:
    file = tmp_path / "file.bpf.o"
    file.write_bytes(b"no ELF")
    for words in (("object", "show"), ("check",), ("run",)):
        assert "A BPF object is an ELF file" in failure(*words, file)
    assert "The file is empty" in failure("object", "show", "/dev/null")


def test_what_loads_is_checked_and_leaves_nothing(bpf_object: Callable[[str], Path], tmp_path: Path) -> None:
    image, name = renamed(bpf_object("cli").read_bytes(), b"cli_pass")
    path = tmp_path / "cli.bpf.o"
    path.write_bytes(image)
    checked = data("check", path)
    assert checked["loads"] is True
    assert {each["name"]: each["load"] for each in checked["programs"]} == {
        "cli_on_getpgid": "loads", name: "loads", "cli_elements": "loads",
    }  # fmt: skip
    assert all(each["missing_helpers"] == [] for each in checked["programs"])
    assert "It loads on this kernel." in output("check", path)
    eventually(lambda: name not in program_names())


@pytest.mark.needs("prepare")
def test_tail_calls_to_siblings_do_not_hinder_the_check(bpf_object: Callable[[str], Path]) -> None:
    checked = data("check", bpf_object("maps_references"))
    assert checked["loads"] is True
    assert {each["load"] for each in checked["programs"]} == {"loads"}


def test_what_the_verifier_refuses_is_told_with_its_source_line(bpf_object: Callable[[str], Path]) -> None:
    done = run("check", bpf_object("rejected"))
    assert (done.returncode, done.stderr) == (1, "")
    assert "the verifier rejected program 'unchecked' (raw_tp/sys_enter)" in done.stdout
    assert "return (int)*value;" in done.stdout
    assert "mem access 'map_value_or_null'" in done.stdout
    assert "R1=ctx" not in done.stdout
    assert "It does not load on this kernel." in done.stdout
    whole = run("check", bpf_object("rejected"), "--log").stdout
    assert "R1=ctx" in whole
    assert "processed" in whole


@pytest.mark.needs("prepare")
def test_a_guarded_relocation_loads_and_an_unguarded_one_does_not(bpf_object: Callable[[str], Path]) -> None:
    done = run("check", bpf_object("relocations"))
    assert done.returncode == 1
    guarded, _, unguarded = done.stdout.partition("\nguarded\n")[2].partition("\nunguarded\n")
    assert "no_such_field" in guarded
    assert "The verifier finds that it never gets there." in guarded
    assert "the verifier rejected program 'unguarded'" in unguarded


def test_a_kernel_is_asked_without_a_load(bpf_object: Callable[[str], Path]) -> None:
    checked = run("check", bpf_object("rejected"), "--no-load")
    assert checked.returncode == 0
    assert "not tried" in checked.stdout


def test_an_attach_target_that_is_not_there_is_told(bpf_object: Callable[[str], Path]) -> None:
    done = run("check", bpf_object("unknown"))
    assert done.returncode == 1
    assert "cannot find the attach target 'nonesuch'" in done.stdout


def test_objects_are_linked(bpf_object: Callable[[str], Path], tmp_path: Path) -> None:
    linked = tmp_path / "linked.bpf.o"
    assert output("gen", "object", linked, bpf_object("rejected"), bpf_object("cli")) == ""
    with bpf.Object.open(linked) as obj:
        assert {"unchecked", "cli_on_getpgid"} <= set(obj.programs)


def test_linking_spares_its_inputs_and_leaves_no_half_file(
    bpf_object: Callable[[str], Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.bpf.o"
    copy.write_bytes(bpf_object("cli").read_bytes())
    assert "cannot be input and output" in failure("gen", "object", copy, copy)
    assert copy.read_bytes() == bpf_object("cli").read_bytes()
    assert "No such file" in failure("gen", "object", copy, tmp_path / "nonesuch.bpf.o")
    assert copy.exists()
    broken = tmp_path / "broken.bpf.o"
    broken.write_bytes(b"no ELF")
    failure("gen", "object", tmp_path / "new.bpf.o", broken)
    assert not (tmp_path / "new.bpf.o").exists()
