# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the kernel has loaded, and who holds it."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import Btf, NotFoundError, Object, PermissionDeniedError, ProgramType, kernel
from pylibbpf._native import ffi
from pylibbpf.enums import MapFlags, MapType
from pylibbpf.link import attach_uprobe, attach_uretprobe
from pylibbpf.link import info as link_infos
from pylibbpf.maps import ArrayMap, HashMap, Map, MapInfo
from tests.conftest import eventually
from tests.maps.conftest import NEWER
from tests.maps.test_map import keep_cap_bpf_only

pytestmark = pytest.mark.needs("root")


@pytest.fixture
def loaded(bpf_object: Callable[[str], Path]) -> Iterator[Object]:
    with Object.open(bpf_object("maps")) as obj:
        for name in NEWER:
            obj.maps[name].autocreate = False
        obj.load()
        yield obj


def test_every_program_is_there_with_all_that_the_kernel_tells(loaded: Object) -> None:
    wanted = loaded.programs["count"]
    found = {program.id: program for program in kernel.programs()}
    assert sorted(found) == list(found)
    program = found[wanted.id]
    assert (program.name, program.type) == ("count", ProgramType.SOCKET_FILTER)
    assert vars(program).items() >= vars(wanted.info()).items()
    assert set(program.map_ids) >= {loaded.maps["counts"].id, loaded.maps["slots"].id}
    assert len(program.translated) == program.translated_size > 0
    # The last instruction is exit.
    assert program.translated[-8] == 0x95
    assert program.memlock is not None
    assert program.memlock > 0
    assert program.functions[0].instruction == 0
    assert program.tags == (program.tag,)
    with Btf.from_id(program.btf_id) as btf:
        assert btf[program.functions[0].type_id].name == "count"
    lines = program.source_lines()
    assert len(lines) == len(program.lines) > 5
    assert all(line.file.endswith("maps.bpf.c") for line in lines)
    assert any("balance--" in line.text for line in lines)
    first = next(line for line in lines if "balance--" in line.text)
    assert (first.line, first.column) > (0, 0)


def test_machine_code_is_shown_where_there_is_some(loaded: Object) -> None:
    program = next(program for program in kernel.programs() if program.id == loaded.programs["count"].id)
    assert len(program.jited) == program.jited_size
    if not program.jited_size:  # the interpreter
        assert program.jited_addresses == ()
        return
    assert len(program.jited_addresses) == len(program.jited_lengths) == 1
    assert program.jited_lengths[0] <= program.jited_size
    assert all(address >= program.jited_addresses[0] for address in program.jited_lines)
    assert len(program.jited_lines) == len(program.lines)


def test_run_statistics_are_counted_while_they_are_on(loaded: Object) -> None:
    program = loaded.programs["count"]

    def runs() -> int:
        return next(found.stats.run_count for found in kernel.programs() if found.id == program.id)

    with kernel.run_statistics() as statistics:
        before = runs()
        program.test_run(bytes(64))
        assert runs() > before
    assert statistics.closed


@pytest.mark.needs("own_kernel")  # they are on while anybody wants them
def test_run_statistics_are_not_counted_any_more_when_they_are_off(loaded: Object) -> None:
    program = loaded.programs["count"]
    with kernel.run_statistics():
        program.test_run(bytes(64))
    counted = program.stats().run_count
    assert counted > 0
    program.test_run(bytes(64))
    assert program.stats().run_count == counted


def test_every_map_is_there(loaded: Object) -> None:
    found = {map.id: map for map in kernel.maps()}
    for map in loaded.maps.values():
        if map.autocreate:
            assert found[map.id] == map.info()
    info = found[loaded.maps["events_by_flow"].id]
    assert (info.type, info.name, info.max_entries) == (MapType.HASH, "events_by_flow", 64)
    assert info.memlock is not None
    assert (info.frozen, info.hash) == (False, None)


@pytest.mark.kernel("6.18", "hashes of maps")
def test_the_contents_of_a_frozen_array_have_a_hash() -> None:
    from hashlib import sha256

    with ArrayMap.create(value_size=8, max_entries=1) as map:
        map[0] = b"contents"
        assert map.info().hash is None
        map.freeze()
        assert map.info().hash == sha256(b"contents").digest()
    with HashMap.create(key_size=4, value_size=4, max_entries=1, flags=MapFlags.NO_PREALLOC) as other:
        other.freeze()
        assert other.info().hash is None


def test_every_link_is_there(bpf_object: Callable[[str], Path]) -> None:
    with Object.open(bpf_object("spine")) as obj:
        obj.load()
        links = [link for link in obj.attach() if link.is_bpf_link]
        found = {link.id: link for link in kernel.links()}
        assert links
        for link in links:
            assert found[link.id] == link.info()
        ids = [link.id for link in links]
    eventually(lambda: not set(ids) & {link.id for link in kernel.links()})


# What our classes call the fields of the kernel's structs, where that is not the same. Of an array and its
# length, and the size of its elements, there is one tuple.
PROGRAM_FIELDS = {
    "jited_prog_len": "jited_size",
    "xlated_prog_len": "translated_size",
    "jited_prog_insns": "jited",
    "xlated_prog_insns": "translated",
    "load_time": "load_time_ns",
    "nr_map_ids": "map_ids",
    "nr_jited_ksyms": "jited_addresses",
    "jited_ksyms": "jited_addresses",
    "nr_jited_func_lens": "jited_lengths",
    "jited_func_lens": "jited_lengths",
    "func_info_rec_size": "functions",
    "func_info": "functions",
    "nr_func_info": "functions",
    "line_info_rec_size": "lines",
    "line_info": "lines",
    "nr_line_info": "lines",
    "jited_line_info_rec_size": "jited_lines",
    "jited_line_info": "jited_lines",
    "nr_jited_line_info": "jited_lines",
    "prog_tags": "tags",
    "nr_prog_tags": "tags",
    "run_time_ns": "stats",
    "run_cnt": "stats",
    "recursion_misses": "stats",
    "verified_insns": "verified_instructions",
}
MAP_FIELDS = {"map_flags": "flags", "hash_size": "hash"}
# The types themselves are Btf.from_id(id).to_bytes().
BTF_FIELDS = {"btf": "size", "btf_size": "size", "name_len": "name", "kernel_btf": "kernel"}


@pytest.mark.parametrize(
    ("struct", "names", "details"),
    [
        ("bpf_prog_info", PROGRAM_FIELDS, kernel.ProgramDetails),
        ("bpf_map_info", MAP_FIELDS, MapInfo),
        ("bpf_btf_info", BTF_FIELDS, kernel.BtfInfo),
    ],
)
def test_every_field_of_the_kernels_structs_has_its_place(
    struct: str, names: dict[str, str], details: Any
) -> None:
    fields = {name for name, _ in ffi.typeof(f"struct {struct}").fields or () if name}
    assert set(names) <= fields
    ours = {field.name for field in dataclasses.fields(details)}
    assert {names.get(name, name) for name in fields} <= ours


# All structs of the union in struct bpf_link_info together.
LINK_FIELDS = {
    "prog_id": "program_id",
    "tp_name": "name",
    "tp_name_len": "name",
    "target_name_len": "target_name",
    "name_len": "function",
    "func_name": "function",
    "file_name": "file",
    "path_size": "path",
    "order": "cgroup_order",
    "addr": "address",
    "addrs": "addresses",
    "ref_ctr_offset": "reference_counter_offset",
    "ref_ctr_offsets": "reference_counter_offsets",
}


def test_every_field_of_the_kernels_links_has_its_place() -> None:
    def names(of: Any) -> set[str]:
        return {
            found
            for name, field in of.fields
            for found in (names(field.type) if field.type.kind in ("struct", "union") else {name})
        }

    fields = names(ffi.typeof("struct bpf_link_info"))
    kinds = [kind for kind in vars(link_infos).values() if dataclasses.is_dataclass(kind)]
    ours = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    assert set(LINK_FIELDS) <= fields
    assert {LINK_FIELDS.get(name, name) for name in fields} <= ours


def test_all_btf_is_there(loaded: Object) -> None:
    program = loaded.programs["count"].info()
    found = {btf.id: btf for btf in kernel.btfs()}
    with Btf.from_id(program.btf_id) as btf:
        assert found[program.btf_id].size == len(btf.to_bytes())
    if any(btf.kernel for btf in found.values()):  # the kernel tells since 5.11
        assert (found[program.btf_id].name, found[program.btf_id].kernel) == ("", False)
        assert any((btf.name, btf.kernel) == ("vmlinux", True) for btf in found.values())


def test_what_vanishes_meanwhile_is_left_out() -> None:
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            for _ in range(20):
                HashMap.create(key_size=4, value_size=4, max_entries=1).close()

    thread = threading.Thread(target=come_and_go)
    with HashMap.create(key_size=4, value_size=4, max_entries=1) as stays:
        thread.start()
        try:
            for _ in range(20):
                assert stays.id in {map.id for map in kernel.maps()}
        finally:
            stop.set()
            thread.join()


def test_an_iteration_that_is_left_holds_nothing(loaded: Object) -> None:
    for _ in kernel.programs():
        break


def test_who_holds_what_is_found(loaded: Object) -> None:
    program, map = loaded.programs["count"], loaded.maps["counts"]
    fds = program.fd, map.fd
    holders = kernel.holders()
    name = Path("/proc/self/comm").read_text().strip()
    assert (os.getpid(), name, fds[0]) in holders.programs[program.id]
    assert (os.getpid(), name, fds[1]) in holders.maps[map.id]
    assert any(holder.pid == os.getpid() for holder in holders.btfs[program.info().btf_id])


def test_who_holds_links_is_found(bpf_object: Callable[[str], Path]) -> None:
    with Object.open(bpf_object("spine")) as obj:
        obj.load()
        links = {link.id: link.fd for link in obj.attach() if link.is_bpf_link}
        found = kernel.holders().links
        assert links
        for id, fd in links.items():
            assert (os.getpid(), fd) in {(holder.pid, holder.fd) for holder in found[id]}


def test_raw_tracepoints_are_found_among_perf_attachments(bpf_object: Callable[[str], Path]) -> None:
    with Object.open(bpf_object("maps_stacks")) as obj:
        obj.load()
        obj.attach()
        (found,) = kernel.perf_attachments(os.getpid())
        assert (found.type, found.name) == (kernel.PerfAttachmentType.RAW_TRACEPOINT, "sys_enter")
        assert found.program_id == obj.programs["take"].id


@pytest.mark.needs("uprobe")
def test_uprobes_are_found_with_their_file_and_offset(bpf_object: Callable[[str], Path]) -> None:
    with (
        Object.load_file(bpf_object("uprobe")) as obj,
        attach_uprobe(obj.programs["on_entry"], "libc.so.6", symbol="getpgid"),
        attach_uretprobe(obj.programs["on_return"], "libc.so.6", symbol="getpgid"),
    ):
        found = {attachment.type: attachment for attachment in kernel.perf_attachments(os.getpid())}
        entry = found[kernel.PerfAttachmentType.UPROBE]
        leaving = found[kernel.PerfAttachmentType.URETPROBE]
        assert (entry.program_id, leaving.program_id) == (
            obj.programs["on_entry"].id,
            obj.programs["on_return"].id,
        )
        assert (entry.name, entry.offset) == (leaving.name, leaving.offset)
        assert "libc" in entry.name
        assert entry.offset > 0


@pytest.mark.needs("kprobe")
def test_kprobes_are_found_with_their_function(bpf_object: Callable[[str], Path]) -> None:
    with Object.load_file(bpf_object("kprobe")) as obj:
        obj.attach()
        found = {attachment.type: attachment for attachment in kernel.perf_attachments(os.getpid())}
        for type, program in (
            (kernel.PerfAttachmentType.KPROBE, "on_entry"),
            (kernel.PerfAttachmentType.KRETPROBE, "on_return"),
        ):
            assert found[type].program_id == obj.programs[program].id
            assert found[type].name.endswith("sys_getpgid")
            assert found[type].offset < 16  # behind an endbr64, if there is one


def test_perf_attachments_of_no_process_are_an_error() -> None:
    with pytest.raises(NotFoundError, match="process 99999999"):
        list(kernel.perf_attachments(99_999_999))
    with pytest.raises(TypeError, match="a pid is an int, not str"):
        list(kernel.perf_attachments("1"))  # type: ignore[arg-type]


def test_programs_on_perf_events_are_found(bpf_object: Callable[[str], Path]) -> None:
    with Object.open(bpf_object("tracepoint")) as obj:
        obj.load()
        obj.attach()
        found = list(kernel.perf_attachments(os.getpid()))
        assert found
        ids = {program.id for program in obj.programs.values() if program.autoload}
        assert {attachment.program_id for attachment in found} <= ids
        assert all(attachment.type == kernel.PerfAttachmentType.TRACEPOINT for attachment in found)
        assert all(attachment.name.startswith("sys_enter") for attachment in found)
        everybodys = list(kernel.perf_attachments())
        assert set(found) <= set(everybodys)
    assert not list(kernel.perf_attachments(os.getpid()))


def test_without_rights_it_is_an_error() -> None:
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return
    status = 1
    try:
        os.setuid(65534)
        for listed in (kernel.programs, kernel.maps, kernel.links, kernel.btfs):
            with pytest.raises(PermissionDeniedError, match="CAP_"):
                list(listed())
        kernel.holders()
        status = 0
    finally:
        os._exit(status)


def test_with_cap_bpf_only_it_says_that_listing_takes_more() -> None:
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return
    status = 1
    try:
        keep_cap_bpf_only()
        for refused in (
            lambda: list(kernel.programs()),
            lambda: list(kernel.maps()),
            lambda: list(kernel.links()),
            lambda: list(kernel.btfs()),
            lambda: Map.from_id(1),
            lambda: Btf.from_id(1),
            lambda: list(kernel.perf_attachments()),
            kernel.run_statistics,
        ):
            with pytest.raises(PermissionDeniedError, match="takes CAP_SYS_ADMIN, which this process lacks"):
                refused()
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)
