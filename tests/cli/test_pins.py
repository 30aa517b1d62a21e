# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""pin, unpin, tree and link detach: what they do is there, or gone, for this process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf import link
from tests.cli.commands import data, failure, output
from tests.conftest import eventually
from tests.link.places import Cgroup

pytestmark = [pytest.mark.needs("root", "bpffs"), pytest.mark.host("a process for each test")]


def test_programs_and_maps_are_pinned_and_unpinned(loaded: bpf.Object, bpffs: Path) -> None:
    program, map = loaded.programs["cli_on_getpgid"], loaded.maps["cli_visits"]
    output("pin", "prog", program.id, bpffs / "program")
    output("pin", "map", map.info().id, bpffs / "map")
    with bpf.Program.from_pin(bpffs / "program") as pinned:
        assert pinned.id == program.id
    with bpf.Map.from_pin(bpffs / "map") as pinned_map:
        assert pinned_map.info().id == map.info().id
    output("pin", "map", bpffs / "map", bpffs / "again")
    assert "File exists" in failure("pin", "map", map.info().id, bpffs / "map")
    output("unpin", bpffs / "map", bpffs / "again", bpffs / "program")
    assert list(bpffs.iterdir()) == []


def test_only_pins_are_unpinned(bpffs: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "is no pin: it is not on a BPF file system" in failure("unpin", file)
    assert file.exists()
    assert "is a directory" in failure("unpin", bpffs)
    assert "No such file" in failure("unpin", bpffs / "nonesuch")
    assert "not on a BPF file system" in failure("tree", tmp_path)
    assert "No such file" in failure("tree", bpffs / "nonesuch")


def test_the_tree_shows_what_is_pinned(loaded: bpf.Object, bpffs: Path) -> None:
    program, map = loaded.programs["cli_on_getpgid"], loaded.maps["cli_visits"]
    (bpffs / "below").mkdir()
    program.pin(bpffs / "below" / "program")
    map.pin(bpffs / "map")
    assert output("tree", bpffs).splitlines() == [
        str(bpffs),
        "  below/",
        f"    program  prog {program.id} TRACEPOINT cli_on_getpgid",
        f"  map  map {map.info().id} HASH cli_visits",
    ]
    entries = {entry["path"]: entry for entry in data("tree", bpffs)}
    assert entries[str(bpffs / "map")]["id"] == map.info().id
    # Found without a directory too, on whatever BPF file systems are mounted.
    assert str(bpffs / "below" / "program") in {entry["path"] for entry in data("tree")}


def cgroup_link(obj: bpf.Object, cgroup: Cgroup) -> bpf.Link:
    return link.attach_cgroup(obj.programs["on_egress"], cgroup.path)


def test_a_link_is_detached_though_a_process_holds_it(
    bpf_object: Callable[[str], Path], own_cgroup: Cgroup
) -> None:
    with bpf.Object.load_file(bpf_object("cgroup")) as obj, cgroup_link(obj, own_cgroup) as attached:
        runs = obj.variables["on_egress_runs"]
        own_cgroup.send()
        seen = runs.value
        assert seen
        output("link", "detach", attached.id)
        own_cgroup.send()
        assert runs.value == seen


def test_a_pinned_link_is_shown_and_detached(
    bpf_object: Callable[[str], Path], own_cgroup: Cgroup, bpffs: Path
) -> None:
    path = bpffs / "link"
    with bpf.Object.load_file(bpf_object("cgroup")) as obj:
        with cgroup_link(obj, own_cgroup) as attached:
            id = attached.id
            output("pin", "link", id, path)
        shown = data("link", "show", path)
        assert (shown["id"], shown["pinned"]) == (id, [str(path)])
        assert shown["cgroup_id"] == os.stat(own_cgroup.path).st_ino
        own_cgroup.send()
        seen = obj.variables["on_egress_runs"].value
        output("link", "detach", path)
        own_cgroup.send()
        assert obj.variables["on_egress_runs"].value == seen
        output("unpin", path)
        eventually(lambda: id not in {each["id"] for each in data("link", "list")})


@pytest.mark.kernel("5.15", "links of tracepoints")
def test_what_the_kernel_cannot_detach_tells_who_holds_it(attached: bpf.Object) -> None:
    held = attached.programs["cli_on_getpgid"].links[0]
    message = failure("link", "detach", held.id)
    assert "cannot detach a link of type PERF_EVENT" in message
    assert f"({os.getpid()})" in message
    before = attached.variables["calls"].value
    os.getpgid(0)
    assert attached.variables["calls"].value == before + 1
