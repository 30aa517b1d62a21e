# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What each operation needs: a child with exactly these capabilities succeeds, one with one less is told."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf import kernel
from tests.hardening.capabilities import enter_new_network, outcome
from tests.hardening.conftest import ROOT
from tests.link.places import Cgroup

pytestmark = [
    pytest.mark.host("the rules are the kernel's; the words of the errors are ours"),
    pytest.mark.needs("root", "vmlinux_btf"),
    # The child ends by os._exit, and frees nothing.
    pytest.mark.filterwarnings("ignore"),
]

Find = Callable[[str], Path]


@dataclass(frozen=True)
class Row:
    """A row of the table in docs/privileges.rst.

    Attributes:
        words: its operation there.
        capabilities: what it needs, and nothing else.
        before: makes, with all rights, what the operation is about.
        work: the operation.
    """

    words: str
    capabilities: tuple[str, ...]
    before: Callable[[], Any]
    work: Callable[[Any], object]


def nothing() -> None:
    """For operations that need nothing made before."""


def opened(name: str, program: str) -> Callable[[], bpf.Object]:
    """Opens an object of tests/bpf of which one program is loaded."""

    def make() -> bpf.Object:
        obj = bpf.Object.open(ROOT / "tests" / "bpf" / f"{name}.bpf.o")
        for found in obj.programs.values():
            found.autoload = found.name == program
        return obj

    return make


def loaded(name: str, program: str) -> Callable[[], bpf.Object]:
    """The same, loaded."""

    def make() -> bpf.Object:
        obj = opened(name, program)()
        obj.load()
        return obj

    return make


def in_new_network(make: Callable[[], Any]) -> Callable[[], Any]:
    """What is made, in a network namespace of the child's own, where no interface has an XDP program."""

    def enter_and_make() -> Any:
        enter_new_network()
        return make()

    return enter_and_make


def with_id(make: Callable[[], Any]) -> Callable[[], tuple[Any, int]]:
    """What is made, and its id."""

    def both() -> tuple[Any, int]:
        made = make()
        return made, made.info().id

    return both


def hash_map(_: object = None) -> bpf.Map:
    return bpf.Map.create(bpf.MapType.HASH, key_size=4, value_size=8, max_entries=4)


def dev_map(_: object) -> bpf.Map:
    return bpf.Map.create(bpf.MapType.DEVMAP, key_size=4, value_size=4, max_entries=4)


def ring_map() -> bpf.Map:
    return bpf.Map.create(bpf.MapType.RINGBUF, max_entries=4096)


def perf_map() -> bpf.Map:
    return bpf.Map.create(bpf.MapType.PERF_EVENT_ARRAY, max_entries=bpf.num_possible_cpus())


def read_perf_buffer(map: bpf.Map) -> None:
    # All processes of a user share the memory that they may lock (perf_event_mlock_kb): this takes little.
    bpf.PerfBuffer(map, pages=1).read_batch(timeout=0)


def use_map(map: bpf.Map) -> None:
    map.put_bytes(b"key!", bytes(8))
    assert map.lookup_bytes(b"key!") == bytes(8)


def load(obj: bpf.Object) -> None:
    obj.load()


def attach(program: str, *arguments: Any) -> Callable[[bpf.Object], object]:
    return lambda obj: obj.programs[program].attach(*arguments)  # type: ignore[attr-defined]


def open_spine(_: object) -> None:
    assert bpf.Object.open(ROOT / "tests" / "bpf" / "spine.bpf.o").variables


BPF, PERFMON, NET_ADMIN, SYS_ADMIN = "CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"

ROWS = [
    Row("Open an object and set its variables", (), nothing, open_spine),
    Row("Read the kernel's types: Btf.vmlinux()", (), nothing, lambda _: bpf.Btf.vmlinux()),
    Row("Create a map", (BPF,), nothing, hash_map),
    Row("Create a map of devices, CPUs or AF_XDP sockets", (BPF, NET_ADMIN), nothing, dev_map),
    Row("Read and write a map that is open", (), hash_map, use_map),
    Row("Read a ring buffer", (), ring_map, lambda map: bpf.RingBuffer(map).read_batch(timeout=0)),
    Row("Read a perf buffer", (PERFMON,), perf_map, read_perf_buffer),
    Row("Load a tracing program: raw_tp, tp_btf, fentry, tracepoint, kprobe, uprobe, perf_event, iter",
        (BPF, PERFMON), opened("spine", "raw_tracepoint"), load),
    Row("Load a networking program: xdp, tc, tcx, sk_lookup, sock_ops, most of cgroup",
        (BPF, NET_ADMIN), opened("spine", "pass"), load),
    Row("Load a cgroup_skb program", (BPF,), opened("cgroup", "on_egress"), load),
    Row("Load a syscall program", (BPF,), opened("runs", "syscall"), load),
    Row("Attach a loaded raw_tp or tp_btf program", (), loaded("spine", "raw_tracepoint"),
        attach("raw_tracepoint")),
    Row("Attach a loaded iterator, and read it", (), loaded("spine", "tasks"),
        lambda obj: obj.programs["tasks"].attach().open().read(10)),
    Row("Attach a loaded program to a tracepoint, kprobe, uprobe or perf event",
        (PERFMON,), loaded("spine", "tracepoint"), attach("tracepoint")),
    Row("Attach a loaded program by XDP link", (), in_new_network(loaded("spine", "pass")),
        attach("pass", "lo")),
    Row("Run a program: test_run()", (), loaded("spine", "pass"),
        lambda obj: obj.programs["pass"].test_run(data=bytes(64))),
    Row("Ask an open program, map or link for its info", (), loaded("spine", "pass"),
        lambda obj: obj.programs["pass"].info()),
    Row("Open a program by its id", (SYS_ADMIN,),
        with_id(lambda: loaded("spine", "pass")().programs["pass"]),
        lambda made: bpf.Program.from_id(made[1])),
    Row("Open a map by its id", (SYS_ADMIN,), with_id(hash_map), lambda made: bpf.Map.from_id(made[1])),
    Row("List what is loaded: kernel.programs(), maps(), links(), btfs()", (SYS_ADMIN,),
        loaded("spine", "pass"), lambda _: list(kernel.programs())),
    Row("Turn on run statistics: kernel.run_statistics()", (SYS_ADMIN,), nothing,
        lambda _: kernel.run_statistics()),
]  # fmt: skip


def check(row: Row) -> None:
    """Tries a row with all that it needs, and then with one capability less for each of them."""
    assert outcome(row.capabilities, row.before, row.work) == ""
    for missing in row.capabilities:
        others = [name for name in row.capabilities if name != missing]
        said = outcome(others, row.before, row.work)
        assert missing in said, f"without {missing}: {said or 'it succeeds'}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.words)
def test_an_operation_needs_what_the_table_says(row: Row) -> None:
    check(row)


ATTACH_CGROUP = "Attach a loaded program to a cgroup"


def test_attaching_to_a_cgroup_needs_what_the_table_says(own_cgroup: Cgroup) -> None:
    before = loaded("cgroup", "on_egress")
    check(Row(ATTACH_CGROUP, (NET_ADMIN,), before, attach("on_egress", own_cgroup.path)))


PIN = "Pin, and open a pin, where the file system's permissions let one"


def test_pinning_needs_what_the_table_says(bpffs: Path) -> None:
    def pin(map: bpf.Map) -> None:
        map.pin(bpffs / "pin")
        bpf.Map.from_pin(bpffs / "pin")

    check(Row(PIN, (), hash_map, pin))


def test_the_manual_has_these_rows_and_no_others() -> None:
    expected = {row.words: row.capabilities for row in ROWS}
    expected |= {ATTACH_CGROUP: (NET_ADMIN,), PIN: ()}
    lines = (ROOT / "docs" / "privileges.rst").read_text().splitlines()
    table = {}
    for first, second in pairwise(lines):
        if first.startswith("   * - ") and second.startswith("     - ") and first != "   * - Operation":
            words, needed = first[7:].replace("``", ""), second[7:].replace("``", "")
            table[words] = () if needed == "none" else tuple(needed.split(", "))
    assert table == expected


# --- pins -------------------------------------------------------------------------------------


@pytest.fixture
def obj() -> Any:
    with loaded("spine", "tasks")() as obj:
        yield obj


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_pins_and_directories_of_pins_are_the_owner_s_alone(bpffs: Path) -> None:
    with hash_map() as map:
        map.pin(bpffs / "pin")
    with loaded("cgroup", "on_egress")() as obj:
        for found in obj.maps.values():
            found.pin(bpffs / found.name.replace(".", "_"))
    with bpf.Object.open(ROOT / "tests/bpf/maps_pinned.bpf.o", pin_root=bpffs / "made") as obj:
        obj.load()
    made = [path for path in bpffs.rglob("*") if path.is_dir()]
    pins = [path for path in bpffs.rglob("*") if not path.is_dir()]
    assert made
    assert pins
    assert {mode(path) for path in made} <= {0o700}
    assert {mode(path) for path in pins} == {0o600}


def test_pinning_does_not_follow_a_symbolic_link(bpffs: Path) -> None:
    (bpffs / "link").symlink_to(bpffs / "elsewhere")
    with hash_map() as map, pytest.raises(bpf.ExistsError):
        map.pin(bpffs / "link")
    assert not (bpffs / "elsewhere").exists()


def test_unpinning_removes_a_symbolic_link_and_not_what_it_points_to(bpffs: Path) -> None:
    with hash_map() as map:
        map.pin(bpffs / "real")
    (bpffs / "link").symlink_to(bpffs / "real")
    with bpf.Map.from_pin(bpffs / "link") as found:
        found.unpin()
    assert (bpffs / "real").exists()
    assert not (bpffs / "link").is_symlink()


def test_somebody_else_s_link_in_a_directory_for_all_is_not_followed(bpffs: Path) -> None:
    bpffs.chmod(0o1777)
    with hash_map() as map:
        map.pin(bpffs / "real")
    (bpffs / "link").symlink_to("real")
    os.lchown(bpffs / "link", 65534, 65534)
    with pytest.raises(bpf.PermissionDeniedError, match="symbolic link of another user"):
        bpf.Map.from_pin(bpffs / "link")
