# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the kernel has loaded, and who holds it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pylibbpf import Btf, Object, PermissionDeniedError, ProgramType, kernel
from pylibbpf.enums import MapFlags, MapType
from pylibbpf.maps import ArrayMap, HashMap
from tests.conftest import eventually
from tests.maps.conftest import NEWER

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
    counted = runs()
    program.test_run(bytes(64))
    assert runs() == counted


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
