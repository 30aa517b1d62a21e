# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Static probes of programs and libraries."""

from __future__ import annotations

import ctypes
import gc
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf import _native
from pylibbpf.link import Link, UsdtLink, attach_usdt
from pylibbpf.programs import Usdt
from tests.conftest import eventually
from tests.link.harness import AttachmentConformance, older_than

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "uprobe", "libbpf_1_3")

Find = Callable[[str], Path]

# Of tests/bpf/usdt.lib.c. Kernels before 5.15 need to know the process.
LIBRARY = Path(__file__).parents[1] / "bpf" / "usdt.lib"
PID = 0


@pytest.fixture(scope="session", autouse=True)
def library() -> ctypes.CDLL:
    assert LIBRARY.exists(), f"{LIBRARY} is not compiled: run `make build`"
    return ctypes.CDLL(str(LIBRARY))


class TestUsdt(AttachmentConformance):
    object, program = "usdt", "on_probe"
    kind, link_class = Usdt, UsdtLink
    origins = ("object",)

    def attach(self, program: Any, where: Any) -> Link:
        return attach_usdt(program, LIBRARY, "pylibbpf", "both", pid=PID)

    def trigger(self, where: Any) -> None:
        ctypes.CDLL(str(LIBRARY)).fire(1, 2)

    def is_made_of_links(self, link: Link) -> bool:
        # One for each place of the probe; before 5.15 perf events, which nobody else opens.
        return not older_than("5.15")


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/usdt.bpf.c, not yet loaded, counting this process."""
    with bpf.Object.open(bpf_object("usdt")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


@pytest.fixture
def program(obj: bpf.Object) -> Usdt:
    obj.load()
    return obj.program("on_probe", Usdt)


def attach(program: Any, name: str = "both", **options: Any) -> Link:
    return attach_usdt(program, LIBRARY, "pylibbpf", name, pid=PID, **options)


def runs(obj: bpf.Object, call: Callable[[], object]) -> int:
    before = obj.variables["on_probe_runs"].value
    call()
    return int(obj.variables["on_probe_runs"].value - before)


# --- what it sees --------------------------------------------------------------------------


def test_the_program_gets_cookie_and_arguments(obj: bpf.Object, program: Usdt, library: ctypes.CDLL) -> None:
    with attach(program, cookie=2**64 - 1):
        library.fire(-3, ctypes.c_long(1 << 40))
    assert obj.variables["cookie"].value == 2**64 - 1
    assert obj.variables["argument_count"].value == 2
    assert list(obj.variables["arguments"].value) == [-3, 1 << 40]


def test_every_place_of_a_probe_fires(obj: bpf.Object, program: Usdt, library: ctypes.CDLL) -> None:
    with attach(program, "twice"):
        assert runs(obj, library.fire_twice) == 2
    eventually(lambda: runs(obj, library.fire_twice) == 0)


def test_a_semaphore_counts_the_attachments(program: Usdt, library: ctypes.CDLL) -> None:
    library.fire_watched.restype = ctypes.c_ushort
    eventually(lambda: bool(library.fire_watched() == 0))
    with attach(program, "watched"):
        assert library.fire_watched() == 1
    eventually(lambda: bool(library.fire_watched() == 0))


def test_without_a_pid_every_process_fires_or_the_kernel_says_since_when(
    obj: bpf.Object, program: Usdt, library: ctypes.CDLL
) -> None:
    if older_than("5.15"):
        with pytest.raises(bpf.NotSupportedError, match=r"Before Linux 5\.15 it takes a pid"):
            attach_usdt(program, LIBRARY, "pylibbpf", "both")
        return
    with attach_usdt(program, LIBRARY, "pylibbpf", "both"):
        assert runs(obj, lambda: library.fire(1, 2)) == 1


def test_it_is_tracked_by_its_program(obj: bpf.Object, program: Usdt, library: ctypes.CDLL) -> None:
    link = program.attach(LIBRARY, "pylibbpf", "both", pid=PID)
    assert program.links == (link,)
    assert runs(obj, lambda: library.fire(1, 2)) == 1
    program.detach(link)
    eventually(lambda: runs(obj, lambda: library.fire(1, 2)) == 0)


def test_the_section_decides(obj: bpf.Object) -> None:
    for name in ("nowhere", "sleepable"):
        if name == "nowhere" or not older_than("6.0"):
            obj.programs[name].autoload = True
    obj.load()
    with pytest.raises(TypeError, match="needs the path, the provider and the name"):
        obj.program("on_probe", Usdt).attach()
    with pytest.raises(TypeError, match="needs the path, the provider and the name"):
        obj.program("on_probe", Usdt).attach(LIBRARY, "pylibbpf")
    for name in ("nowhere", "sleepable"):
        if obj.programs[name].autoload:
            with pytest.raises(bpf.NotFoundError, match=r"no 'libnone\.so\.6' in LD_LIBRARY_PATH"):
                obj.program(name, Usdt).attach()


# --- its link ------------------------------------------------------------------------------


def test_its_link_is_none_of_the_kernels(program: Usdt, bpffs: Path) -> None:
    with attach(program) as link:
        assert not link.is_bpf_link
        assert link.type is None
        for use in (
            lambda: link.id,
            link.info,
            link.fileno,
            lambda: link.pin(bpffs / "link"),
            lambda: link.update(program),
        ):
            with pytest.raises(bpf.NotSupportedError, match="as many uprobes as the probe has places"):
                use()
        link.detach()
        assert link.closed


def test_its_link_outlives_the_object(obj: bpf.Object, program: Usdt, library: ctypes.CDLL) -> None:
    link = attach(program)
    count = obj.variables["on_probe_runs"]
    obj.close()
    assert obj.closed
    library.fire(1, 2)
    link.close()
    del count


def test_links_are_forgotten_in_any_order(obj: bpf.Object, program: Usdt, library: ctypes.CDLL) -> None:
    links = [attach(program, name) for name in ("both", "twice", "watched")]
    with warnings.catch_warnings():
        # pytest.warns would keep the link, as the source of the warning.
        warnings.simplefilter("ignore")
        del links[1]
    gc.collect()
    _native.collect()
    eventually(lambda: runs(obj, library.fire_twice) == 0)
    obj.close()
    for link in links:
        link.close()


def test_threads_attach_side_by_side(obj: bpf.Object, program: Usdt, library: ctypes.CDLL) -> None:
    # Before 5.15 one place takes one program (usdt.c: IP collision).
    names = ["both", "twice", "watched"] * (1 if older_than("5.15") else 4)
    with ThreadPoolExecutor(len(names)) as pool:
        for _ in range(3):
            links = list(pool.map(lambda name: attach(program, name), names))
            assert runs(obj, lambda: library.fire(1, 2)) == len(names) // 3
            list(pool.map(lambda link: link.close(), links))
            eventually(lambda: runs(obj, lambda: library.fire(1, 2)) == 0)


def test_a_forked_child_leaves_it_alone(obj: bpf.Object, program: Usdt, library: ctypes.CDLL) -> None:
    with attach(program) as link:
        child = os.fork()
        if child == 0:
            link.close()
            # The standard input of the child is nobody's to close.
            os._exit(0 if os.path.exists("/proc/self/fd/0") else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert runs(obj, lambda: library.fire(1, 2)) == 1


# --- what is not there ---------------------------------------------------------------------


def test_a_probe_that_is_not_there_is_not_found(program: Usdt) -> None:
    for provider, name in (("pylibbpf", "none"), ("nobody", "both")):
        with pytest.raises(bpf.NotFoundError, match=f"has no USDT probe '{provider}:{name}'"):
            attach_usdt(program, LIBRARY, provider, name, pid=PID)


def test_a_file_without_probes_says_so(program: Usdt, tmp_path: Path) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(Path("/proc/self/exe").read_bytes().replace(b".note.stapsdt", b".note.nothing"))
    with pytest.raises(bpf.NotFoundError, match="has no USDT probes"):
        attach_usdt(program, path, "python", "gc__start", pid=PID)


def test_a_file_that_is_not_there_is_not_found(program: Usdt) -> None:
    with pytest.raises(bpf.NotFoundError, match="There is no file '/nonexistent'"):
        attach_usdt(program, "/nonexistent", "pylibbpf", "both")
    with pytest.raises(bpf.NotFoundError, match=r"no 'libnone\.so\.6' in LD_LIBRARY_PATH"):
        attach_usdt(program, "libnone.so.6", "pylibbpf", "both")


def test_a_file_that_is_no_elf_has_no_probes(program: Usdt, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("no ELF file, but as long as the header of one would have to be for libelf to look at it")
    with pytest.raises(bpf.FormatError, match=f"ELF file, which '{path}' is not"):
        attach_usdt(program, path, "pylibbpf", "both")


def test_a_process_that_is_not_there_is_named(program: Usdt) -> None:
    with pytest.raises(bpf.BpfError, match="no process 2147483647"):
        attach_usdt(program, LIBRARY, "pylibbpf", "both", pid=2**31 - 1)


# --- what cannot be ------------------------------------------------------------------------


def test_a_program_from_elsewhere_is_refused(obj: bpf.Object, program: Usdt) -> None:
    with (
        Usdt.from_fd(program.fd) as found,
        pytest.raises(bpf.StateError, match="came from the kernel: libbpf attaches to USDT probes by maps"),
    ):
        found.attach(LIBRARY, "pylibbpf", "both")


def test_a_program_that_is_not_loaded_is_refused(obj: bpf.Object) -> None:
    with pytest.raises(bpf.StateError, match="not loaded"):
        attach(obj.programs["on_probe"])


def test_an_object_without_the_maps_is_refused(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("uprobe")) as obj:
        obj.load()
        with pytest.raises(bpf.BpfError, match=r"Include <bpf/usdt\.bpf\.h>"):
            attach(obj.programs["on_entry"])


@pytest.mark.needs("uprobe_multi")
def test_a_program_that_is_not_for_such_probes_is_refused(obj: bpf.Object) -> None:
    obj.programs["no_usdt"].autoload = True
    obj.load()
    with pytest.raises(bpf.BpfError, match='loaded from a section "usdt"'):
        attach(obj.programs["no_usdt"])


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    [
        (("", "p", "n"), {}, ValueError, "empty"),
        (("x", "", "n"), {}, ValueError, "empty"),
        (("x", "p", ""), {}, ValueError, "empty"),
        (("x", "p\0", "n"), {}, ValueError, "NUL"),
        (("x", "p", None), {}, TypeError, "name"),
        (("x", "p", "n"), {"pid": -1}, OverflowError, "pid"),
        (("x", "p", "n"), {"cookie": -1}, OverflowError, "cookie"),
    ],
)
def test_an_argument_that_cannot_be_is_refused(
    program: Usdt, arguments: Any, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        attach_usdt(program, *arguments, **options)
