# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links: what they are, pin, update, detach, close, for what every kernel of the matrix can attach."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.enums import LinkType
from pylibbpf.link import IterLink, Link, PerfEventLink, RawTracepointLink
from pylibbpf.programs import BtfTracePoint, Iter, RawTracePoint, TracePoint, UProbe, URetProbe
from tests.conftest import eventually, eventually_unmoved, link_ids

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]


@pytest.fixture
def spine(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/spine.bpf.c, loaded, counting this process."""
    with bpf.Object.open(bpf_object("spine")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        obj.load()
        yield obj


def fires(obj: bpf.Object, counter: str) -> bool:
    """Whether a system call of this process moves a counter."""
    before = obj.variables[counter].value
    os.getpgid(0)
    return bool(obj.variables[counter].value > before)


KINDS = [
    ("raw_tracepoint", RawTracePoint, RawTracepointLink, LinkType.RAW_TRACEPOINT),
    # The kernel counts tp_btf among the raw tracepoints (kernel/bpf/syscall.c:bpf_raw_tp_link_attach).
    ("btf_tracepoint", BtfTracePoint, RawTracepointLink, LinkType.RAW_TRACEPOINT),
    pytest.param(
        "tracepoint", TracePoint, PerfEventLink, LinkType.PERF_EVENT,
        marks=[pytest.mark.kernel("5.15", "links for perf events"), pytest.mark.needs("tracefs")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "link_class", "link_type"), KINDS)
def test_a_link_attaches_tells_what_it_is_and_ends(
    spine: bpf.Object, name: str, kind: type[RawTracePoint], link_class: type[Link], link_type: LinkType
) -> None:
    program = spine.program(name, kind)
    assert not fires(spine, f"{name}_runs")
    link = program.attach()
    assert type(link) is link_class
    assert link.type == link_type
    assert link.is_bpf_link
    assert list(program.links) == [link]
    assert fires(spine, f"{name}_runs")
    info = link.info()
    assert (info.type, info.id, info.program_id) == (link_type, link.id, program.id)
    assert link.id in {found.id for found in bpf.link.links()}
    link.close()
    link.close()
    assert link.closed
    assert not program.links
    eventually(lambda: not fires(spine, f"{name}_runs"))
    eventually(lambda: link.id not in link_ids())
    for use in (link.info, link.fileno, link.detach, lambda: link.pin("/sys/fs/bpf/x")):
        with pytest.raises(bpf.ClosedError):
            use()


def test_who_found_a_link_by_id_or_fd_keeps_it_attached(spine: bpf.Object) -> None:
    link = spine.program("raw_tracepoint", RawTracePoint).attach()
    with bpf.link.from_id(link.id) as by_id, bpf.link.from_fd(link.fileno()) as by_fd:
        assert by_id.id == by_fd.id == link.id
        link.close()
        assert fires(spine, "raw_tracepoint_runs")
    eventually(lambda: not fires(spine, "raw_tracepoint_runs"))


def test_pin_never_overwrites(spine: bpf.Object, bpffs: Path) -> None:
    first = spine.program("raw_tracepoint", RawTracePoint).attach()
    second = spine.program("btf_tracepoint", BtfTracePoint).attach()
    first.pin(bpffs / "link")
    with pytest.raises(FileExistsError):
        second.pin(bpffs / "link")
    assert second.pinned_path is None
    second.unpin()
    assert (bpffs / "link").exists()
    with pytest.raises(bpf.StateError, match="pinned at"):
        first.pin(bpffs / "other")
    first.unpin()
    assert not (bpffs / "link").exists()
    first.unpin()
    first.pin(bpffs / "other")


def test_pinning_outside_a_bpffs_says_so(spine: bpf.Object, tmp_path: Path, bpffs: Path) -> None:
    link = spine.program("raw_tracepoint", RawTracePoint).attach()
    with pytest.raises(bpf.BpfError, match="not on a BPF file system"):
        link.pin(tmp_path / "link")
    with pytest.raises(bpf.NotFoundError, match="There is no directory"):
        link.pin(bpffs / "missing" / "link")
    assert link.pinned_path is None


def test_loading_a_pin_of_another_kind_is_refused(spine: bpf.Object, bpffs: Path) -> None:
    spine.programs["tasks"].pin(bpffs / "program")
    with pytest.raises(TypeError, match="is a BPF prog, not a BPF link"):
        bpf.link.load_pinned(bpffs / "program")
    with pytest.raises(FileNotFoundError):
        bpf.link.load_pinned(bpffs / "missing")
    link = spine.program("raw_tracepoint", RawTracePoint).attach()
    link.pin(bpffs / "link")
    with pytest.raises(TypeError, match="is a BPF link, not a BPF prog"):
        bpf.Program.from_pin(bpffs / "link")
    with pytest.raises(TypeError, match="no BPF object"):
        bpf.link.from_fd(0)


# --- who tracks a link ------------------------------------------------------------------


def test_detach_ends_a_tracked_link_once(spine: bpf.Object) -> None:
    program = spine.program("raw_tracepoint", RawTracePoint)
    link = program.attach()
    program.detach(link)
    assert link.closed
    eventually(lambda: not fires(spine, "raw_tracepoint_runs"))
    with pytest.raises(bpf.NotAttachedError):
        program.detach(link)


def test_a_taken_link_is_the_callers(spine: bpf.Object) -> None:
    program = spine.program("raw_tracepoint", RawTracePoint)
    link = program.take_link(program.attach())
    assert program.links == ()
    for use in (program.detach, program.take_link):
        with pytest.raises(bpf.NotAttachedError):
            use(link)
    program.close()
    assert fires(spine, "raw_tracepoint_runs")
    link.close()
    eventually(lambda: not fires(spine, "raw_tracepoint_runs"))


def test_a_taken_link_outlives_its_object(bpf_object: Find) -> None:
    with bpf.Object.load_file(bpf_object("spine")) as obj:
        program = obj.program("raw_tracepoint", RawTracePoint)
        link = program.take_link(program.attach())
        id = program.id
    assert link.info().program_id == id
    link.close()


def test_a_link_of_another_program_is_refused(spine: bpf.Object) -> None:
    link = spine.program("raw_tracepoint", RawTracePoint).attach()
    with pytest.raises(bpf.NotAttachedError):
        spine.programs["tasks"].detach(link)
    assert not link.closed


def test_a_link_that_is_dropped_warns_that_it_was_detached(spine: bpf.Object) -> None:
    program = spine.program("raw_tracepoint", RawTracePoint)
    link = program.take_link(program.attach())
    with pytest.warns(RuntimeWarning, match="was dropped, and so detached"):  # noqa: PT031
        del link
        gc.collect()
    # The next call of the library frees what finalizers queued.
    with pytest.raises(bpf.NotFoundError):
        bpf.link.load_pinned("/nonexistent")
    eventually(lambda: not fires(spine, "raw_tracepoint_runs"))


def test_a_pinned_link_that_is_dropped_warns_of_no_detach(spine: bpf.Object, bpffs: Path) -> None:
    program = spine.program("raw_tracepoint", RawTracePoint)
    link = program.take_link(program.attach())
    link.pin(bpffs / "link")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del link
        gc.collect()
    assert [warning.category for warning in caught] == [ResourceWarning]
    assert fires(spine, "raw_tracepoint_runs")


# --- iterators --------------------------------------------------------------------------


def test_an_iterator_runs_as_it_is_read(spine: bpf.Object) -> None:
    link = spine.program("tasks", Iter).attach()
    assert type(link) is IterLink
    assert link.info().target_name == "task"
    expected = f"first {os.getpid()}"
    with link.open() as binary, link.open("r") as text:
        assert expected.encode() in binary.read().splitlines()
        assert expected in text.read().splitlines()
        assert not os.get_inheritable(binary.fileno())
    with pytest.raises(ValueError, match="can only be read"):
        link.open("w")


def test_an_iterators_file_outlives_its_link(spine: bpf.Object) -> None:
    link = spine.program("tasks", Iter).attach()
    with link.into_file() as file:
        assert link.closed
        assert file.read().startswith(b"first ")


# --- user-space probes --------------------------------------------------------------------


@pytest.mark.needs("uprobe")
def test_uprobes_by_section_fire_and_end(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("uprobe")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        obj.load()
        counters = [obj.variables[name] for name in ("on_entry_runs", "on_return_runs")]
        entry = obj.program("on_entry", UProbe).attach()
        with obj.program("on_return", URetProbe).attach():
            os.getpgid(0)
            assert [counter.value for counter in counters] == [1, 1]
        entry.close()
        eventually_unmoved(lambda: [counter.value for counter in counters], lambda: os.getpgid(0))


def test_links_that_the_caller_closes_do_not_pile_up(spine: bpf.Object) -> None:
    program = spine.program("tasks", Iter)
    kept = program.attach()
    for _ in range(100):
        program.attach().close()
    assert len(program._links) < 70
    assert program.links == (kept,)
