# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Several object files linked into one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pylibbpf import BpfError, ClosedError, FormatError, Linker, NotFoundError, Object, StateError


def test_the_result_has_the_programs_and_maps_of_all(
    bpf_object: Callable[[str], Path], tmp_path: Path
) -> None:
    output = tmp_path / "both.bpf.o"
    with Linker(output) as linker:
        linker.add(bpf_object("ring"))
        linker.add(bpf_object("plain"))
    with (
        Object.open(output) as linked,
        Object.open(bpf_object("ring")) as ring,
        Object.open(bpf_object("plain")) as plain,
    ):
        assert set(linked.programs) == {*ring.programs, *plain.programs}
        assert {name for name in linked.maps if "." not in name} == {
            name for name in (*ring.maps, *plain.maps) if "." not in name
        }


@pytest.mark.needs("prepare")
def test_objects_may_be_in_memory(bpf_object: Callable[[str], Path], tmp_path: Path) -> None:
    output = tmp_path / "one.bpf.o"
    with Linker(output) as linker:
        linker.add(bytearray(bpf_object("ring").read_bytes()))
    with Object.open(output) as linked:
        assert linked.programs


def test_what_cannot_be_linked_is_refused_and_leaves_no_file(
    bpf_object: Callable[[str], Path], tmp_path: Path
) -> None:
    output = tmp_path / "none.bpf.o"
    with pytest.raises(FormatError, match="link"), Linker(output) as linker:
        linker.add(__file__)
    assert not output.exists()
    with pytest.raises(NotFoundError), Linker(output) as linker:
        linker.add(tmp_path / "missing")
    assert not output.exists()
    # The same global symbols twice.
    with Linker(output) as linker:
        linker.add(bpf_object("ring"))
        with pytest.raises(FormatError):
            linker.add(bpf_object("ring"))
        with pytest.raises(StateError, match="refused"):
            linker.add(bpf_object("plain"))
        with pytest.raises(StateError):
            linker.finalize()
        linker.close()
    assert not output.exists()
    with pytest.raises(BpfError):
        Linker(tmp_path / "missing" / "file")


def test_nothing_can_be_added_once_it_is_written(bpf_object: Callable[[str], Path], tmp_path: Path) -> None:
    linker = Linker(tmp_path / "done.bpf.o")
    linker.add(bpf_object("ring"))
    linker.finalize()
    for use in (linker.finalize, lambda: linker.add(bpf_object("plain"))):
        with pytest.raises(StateError, match="written"):
            use()
    linker.close()
    linker.close()
    assert (tmp_path / "done.bpf.o").exists()
    with pytest.raises(ClosedError):
        linker.finalize()
    assert repr(linker).endswith("closed>")


def test_threads_take_turns(bpf_object: Callable[[str], Path], tmp_path: Path) -> None:
    failures: list[BaseException] = []
    with Linker(tmp_path / "all.bpf.o") as linker:

        def add(name: str) -> None:
            try:
                linker.add(bpf_object(name))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=add, args=(name,)) for name in ("ring", "plain", "kprobe")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
