# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Several object files linked into one."""

from __future__ import annotations

import subprocess
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


CALLER = """
#define SEC(name) __attribute__((section(name), used))
extern int shared;
extern int one_more(int number);
extern struct { int (*type)[2]; int *key; int *value; int (*max_entries)[1]; } table SEC(".maps");
SEC("socket") int caller(void *ctx) { shared += 1; return one_more(shared); }
char LICENSE[] SEC("license") = "GPL";
"""
LIBRARY = """
#define SEC(name) __attribute__((section(name), used))
int shared = 40;
__attribute__((noinline)) int one_more(int number) { return number + 1; }
struct { int (*type)[2]; int *key; int *value; int (*max_entries)[1]; } table SEC(".maps");
"""


@pytest.mark.host("compiles with clang")
@pytest.mark.needs("root")
def test_what_one_object_lacks_another_defines(tmp_path: Path) -> None:
    for name, source in (("caller", CALLER), ("library", LIBRARY)):
        (tmp_path / f"{name}.bpf.c").write_text(source)
        command = ["clang", "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-c", f"{name}.bpf.c"]
        subprocess.run([*command, "-o", f"{name}.bpf.o"], check=True, cwd=tmp_path)
    with pytest.raises(BpfError), Object.open(tmp_path / "caller.bpf.o") as alone:
        alone.load()
    with Linker(tmp_path / "both.bpf.o") as linker:
        for name in ("caller", "library"):
            linker.add(tmp_path / f"{name}.bpf.o")
    with Object.load_file(tmp_path / "both.bpf.o") as linked:
        assert linked.programs["caller"].test_run(bytes(64)).return_value == 42
        assert linked.variables["shared"].value == 41
        assert linked.btf is not None
        assert linked.btf.has_function("one_more")


def test_nothing_makes_no_file(tmp_path: Path) -> None:
    output = tmp_path / "nothing.bpf.o"
    with pytest.raises(StateError, match="nothing was added"), Linker(output):
        pass
    assert not output.exists()
    with Linker(output) as linker:
        for wrong in (3, None, "".join):
            with pytest.raises(TypeError, match="given as a path, or as a buffer, not"):
                linker.add(wrong)  # type: ignore[arg-type]
        linker.close()
