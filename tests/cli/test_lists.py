# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""list and show of programs, maps, links and BTF: what they say is what the kernel says."""

from __future__ import annotations

import os
import re

import pytest

import pylibbpf as bpf
from pylibbpf import kernel
from tests.cli.commands import data, failure, output

pytestmark = [pytest.mark.needs("root"), pytest.mark.host("a process for each test")]


def row(text: str, id: int) -> list[str]:
    """The cells of an object's line."""
    line = next(line for line in text.splitlines() if re.match(rf" *{id} ", line))
    return re.split(r"  +", line.strip())


def test_programs_are_listed(loaded: bpf.Object) -> None:
    info = loaded.programs["cli_on_getpgid"].info()
    cells = row(output("prog", "list"), info.id)
    assert cells[:4] == [str(info.id), "TRACEPOINT", "cli_on_getpgid", info.tag.hex()]
    assert cells[-1] == str(len(info.map_ids))
    listed = {each["id"]: each for each in data("prog", "list", "--type", "tracepoint")}
    assert all(each["type"] == "TRACEPOINT" for each in listed.values())
    assert listed[info.id]["map_ids"] == list(info.map_ids)
    assert listed[info.id]["tag"] == info.tag.hex()
    assert listed[info.id]["stats"]["run_count"] == 0


def test_lists_tell_who_holds_what(loaded: bpf.Object) -> None:
    program = loaded.programs["cli_on_getpgid"]
    fd = program.fd
    listed = {each["id"]: each for each in data("prog", "list", "--holders")}
    assert (os.getpid(), fd) in {(each["pid"], each["fd"]) for each in listed[program.id]["holders"]}
    assert f"({os.getpid()})" in row(output("prog", "list", "--holders"), program.id)[-1]


def test_a_type_that_does_not_exist_is_refused() -> None:
    assert "did you mean 'TRACEPOINT'" in failure("prog", "list", "--type", "tracepint")


def test_a_program_is_shown(attached: bpf.Object) -> None:
    program = attached.programs["cli_on_getpgid"]
    shown = data("prog", "show", program.id)
    info = program.info()
    assert (shown["id"], shown["type"], shown["name"]) == (info.id, "TRACEPOINT", "cli_on_getpgid")
    assert shown["functions"] == ["cli_on_getpgid"]
    assert shown["map_ids"] == list(info.map_ids)
    assert shown["instructions_bytes"] == info.translated_size
    assert any(holder["pid"] == os.getpid() for holder in shown["holders"])
    if attached.programs["cli_on_getpgid"].links[0].is_bpf_link:
        assert shown["link_ids"] == [program.links[0].id]
    text = output("prog", "show", program.id, "--source")
    assert re.search(r"^name +cli_on_getpgid$", text, re.MULTILINE)
    assert "cli.bpf.c" in text
    assert "event.number = ++calls;" in text


def test_what_is_shown_is_named_by_id_by_name_or_by_pin(loaded: bpf.Object, bpffs: os.PathLike[str]) -> None:
    map = loaded.maps["cli_visits"]
    path = os.path.join(bpffs, "visits")
    map.pin(path)
    by_id = data("map", "show", map.info().id)
    assert by_id["name"] == "cli_visits"
    assert by_id["pinned"] == [path]
    assert data("map", "show", path)["id"] == by_id["id"]
    name = f"cli_{os.getpid()}"
    with bpf.Map.create(bpf.MapType.ARRAY, name=name, key_size=4, value_size=4, max_entries=1) as other:
        assert data("map", "show", name)["id"] == other.info().id
        assert "no map is called 'cli_nonesuch'" in failure("map", "show", "cli_nonesuch")
        with bpf.Map.create(bpf.MapType.ARRAY, name=name, key_size=4, value_size=4, max_entries=1) as second:
            message = failure("map", "show", name)
            assert f"{other.info().id}, {second.info().id}" in message
    assert "No such file" in failure("map", "show", 2**31)
    assert "is a BPF map, not a BPF prog" in failure_words("prog", "show", path)


def failure_words(*arguments: object) -> str:
    """A failure's words, on one line."""
    return " ".join(failure(*arguments).split())


def test_maps_are_listed(loaded: bpf.Object) -> None:
    info = loaded.maps["cli_visits"].info()
    cells = row(output("map", "list"), info.id)
    assert cells[:6] == [str(info.id), "HASH", "cli_visits", "4", str(info.value_size), "64"]
    listed = {each["id"]: each for each in data("map", "list", "--name", "cli_visits")}
    assert listed[info.id]["memlock"] == info.memlock
    assert {each["name"] for each in listed.values()} == {"cli_visits"}


def test_a_map_is_shown_with_its_types_and_programs(loaded: bpf.Object) -> None:
    map = loaded.maps["events"]
    assert data("map", "show", map.info().id)["program_ids"] == [loaded.programs["cli_on_getpgid"].id]
    shown = output("map", "show", loaded.maps["cli_visits"].info().id)
    assert re.search(r"^key type +__u32$", shown, re.MULTILINE)
    assert re.search(r"^value type +struct visit$", shown, re.MULTILINE)


@pytest.mark.kernel("5.15", "links of tracepoints")
def test_links_are_listed_and_shown(attached: bpf.Object) -> None:
    program = attached.programs["cli_on_getpgid"]
    link = program.links[0]
    cells = row(output("link", "list"), link.id)
    assert cells[:4] == [str(link.id), "PERF_EVENT", str(program.id), "cli_on_getpgid"]
    listed = {each["id"]: each for each in data("link", "list", "--type", "perf_event", "--holders")}
    assert listed[link.id]["program_id"] == program.id
    assert (os.getpid(), link.fd) in {(each["pid"], each["fd"]) for each in listed[link.id]["holders"]}
    shown = data("link", "show", link.id)
    assert (shown["id"], shown["type"], shown["program_id"]) == (link.id, "PERF_EVENT", program.id)
    text = output("link", "show", link.id)
    assert re.search(r"^program name +cli_on_getpgid$", text, re.MULTILINE)


@pytest.mark.kernel("6.6", "what a link's perf event is of")
def test_a_link_tells_where_it_is(attached: bpf.Object) -> None:
    link = attached.programs["cli_on_getpgid"].links[0]
    assert row(output("link", "list"), link.id)[-1] == "sys_enter_getpgid"


def test_programs_on_perf_events_are_listed_on_every_kernel(attached: bpf.Object) -> None:
    program = attached.programs["cli_on_getpgid"]
    found = [each for each in data("link", "list", "--perf") if each["program_id"] == program.id]
    assert {(each["pid"], each["type"], each["name"]) for each in found} == {
        (os.getpid(), "TRACEPOINT", "sys_enter_getpgid")
    }


def test_a_link_has_no_name() -> None:
    assert "a link is named by its id or the path of its pin" in failure("link", "show", "nonesuch")


@pytest.mark.needs("vmlinux_btf")
def test_btf_is_listed_and_counted(loaded: bpf.Object) -> None:
    id = loaded.programs["cli_on_getpgid"].info().btf_id
    listed = {each["id"]: each for each in data("btf", "list")}
    truth = {info.id: info for info in kernel.btfs()}
    assert listed[id]["size"] == truth[id].size
    with bpf.Btf.from_id(id) as btf:
        counted = data("btf", "show", "--id", id)
        assert counted["types"] == len(btf)
        assert counted["kinds"]["STRUCT"] == sum(of.kind.name == "STRUCT" for of in btf)


@pytest.mark.kernel("5.11", "names of BTF")
def test_the_kernels_btf_has_a_name() -> None:
    vmlinux = [each for each in data("btf", "list", "--kernel") if each["name"] == "vmlinux"]
    assert [each["kernel"] for each in vmlinux] == [True]
