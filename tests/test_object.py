# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Objects: open, configure, prepare, load, attach, close, against the running kernel."""

from __future__ import annotations

import gc
import mmap
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.enums import LogLevel
from pylibbpf.programs import BtfTracePoint, FEntry, Iter, RawTracePoint, SocketFilter, TracePoint, Xdp
from tests import requirements
from tests.conftest import eventually, eventually_unmoved, open_fds, program_ids, program_names, renamed

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]


@pytest.fixture
def spine(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/spine.bpf.c, opened and set to count this process."""
    with bpf.Object.open(bpf_object("spine")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


# --- open -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path, os.fspath])
def test_open_takes_paths(bpf_object: Find, kind: Callable[[Path], object]) -> None:
    with bpf.Object.open(kind(bpf_object("plain"))) as obj:  # type: ignore[arg-type]
        assert obj.name == "plain"
        assert list(obj.programs) == ["nothing"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_open_takes_buffers(bpf_object: Find, kind: Callable[[bytes], object]) -> None:
    image = bpf_object("plain").read_bytes()
    with bpf.Object.open(kind(image)) as obj:  # type: ignore[arg-type]
        assert obj.name == "object"
        assert obj.license == "GPL"
        assert isinstance(obj.programs["nothing"], SocketFilter)


def test_open_takes_a_mapped_file(bpf_object: Find) -> None:
    with (
        bpf_object("plain").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image,
    ):
        obj = bpf.Object.open(image, name="mapped")
    # The buffer is needed no longer than that.
    with obj:
        assert obj.name == "mapped"
        obj.load()


def bpf_fds() -> dict[int, str]:
    """This process's fds of programs, maps and links. Where maps will be, libbpf has those of other files."""
    return {fd: target for fd, target in open_fds().items() if target.startswith("anon_inode:bpf")}


def test_opening_puts_nothing_into_the_kernel(bpf_object: Find) -> None:
    image, name = renamed(bpf_object("spine").read_bytes(), b"other_tasks")
    before = bpf_fds()
    with bpf.Object.open(image) as obj:
        assert name in obj.programs
        assert name not in program_names()
        assert bpf_fds() == before
        obj.load()
        assert name in program_names()


def test_programs_come_in_elf_order_and_in_the_class_of_their_kind(spine: bpf.Object) -> None:
    kinds = {name: type(program) for name, program in spine.programs.items()}
    assert kinds == {
        "raw_tracepoint": RawTracePoint,
        "btf_tracepoint": BtfTracePoint,
        "tracepoint": TracePoint,
        "tasks": Iter,
        "other_tasks": Iter,
        "pass": Xdp,
    }
    assert [program.section for program in spine.programs.values()][:2] == [
        "raw_tp/sys_enter",
        "tp_btf/sys_enter",
    ]


def test_a_program_of_another_kind_is_refused_with_both_names(spine: bpf.Object) -> None:
    assert spine.program("tasks", Iter) is spine.programs["tasks"]
    with pytest.raises(
        bpf.ProgramTypeError, match=r"'tasks' is of class Iter \(SEC \"iter/task\"\), not FEntry"
    ):
        spine.program("tasks", FEntry)


def test_the_license_is_read_from_the_elf_section(spine: bpf.Object) -> None:
    assert spine.license == "Dual BSD/GPL"


def test_the_same_object_opens_many_times(bpf_object: Find) -> None:
    objects = [bpf.Object.load_file(bpf_object("plain")) for _ in range(5)]
    assert len({obj.programs["nothing"].id for obj in objects}) == 5
    for obj in objects:
        obj.close()


# --- names ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mapping", "kind", "typo", "name"),
    [
        ("programs", "program", "raw_tracepiont", "raw_tracepoint"),
        ("variables", "variable", "taget_pid", "target_pid"),
    ],
)
def test_a_typo_in_a_name_offers_the_name(
    spine: bpf.Object, mapping: str, kind: str, typo: str, name: str
) -> None:
    with pytest.raises(KeyError) as caught:
        getattr(spine, mapping)[typo]
    assert isinstance(caught.value, bpf.NameNotFoundError)
    assert str(caught.value).startswith(f"no {kind} is called '{typo}'; did you mean '{name}'")
    assert typo not in getattr(spine, mapping)
    assert getattr(spine, mapping).get(typo) is None


def test_a_name_that_is_no_string_is_a_type_error(spine: bpf.Object) -> None:
    with pytest.raises(TypeError, match="named by a str"):
        spine.programs[0]  # type: ignore[index]


# --- load -----------------------------------------------------------------------------


def test_load_puts_the_programs_into_the_kernel_and_close_takes_them_out(spine: bpf.Object) -> None:
    spine.load()
    ids = {program.id for program in spine.programs.values()}
    assert len(ids) == len(spine.programs)
    assert ids <= program_ids()
    spine.close()
    eventually(lambda: not ids & program_ids())


def test_a_program_without_autoload_stays_out(spine: bpf.Object) -> None:
    spine.programs["pass"].autoload = False
    assert not spine.programs["pass"].autoload
    spine.load()
    with pytest.raises(bpf.StateError, match="'pass' is not loaded"):
        spine.programs["pass"].fd
    assert spine.programs["tasks"].info().name == "tasks"


def test_prepare_creates_maps_and_loads_no_program(spine: bpf.Object) -> None:
    if not requirements.prepare():
        with pytest.raises(bpf.NotSupportedError, match=r"needs libbpf 1\.6"):
            spine.prepare()
        spine.load()
        return
    spine.prepare()
    assert spine.maps[".bss"].info().name.endswith(".bss")
    with pytest.raises(bpf.StateError):
        spine.programs["tasks"].fd
    with pytest.raises(bpf.StateError, match="prepared already"):
        spine.prepare()
    spine.load()
    assert spine.programs["tasks"].info().name == "tasks"


def test_loading_twice_is_a_state_error(spine: bpf.Object) -> None:
    spine.load()
    with pytest.raises(bpf.StateError, match="loaded already"):
        spine.load()


def test_attaching_before_loading_is_a_state_error(spine: bpf.Object) -> None:
    with pytest.raises(bpf.StateError, match="must be loaded before it is attached"):
        spine.attach()
    with pytest.raises(bpf.StateError, match="must be loaded before it is attached"):
        spine.program("tasks", Iter).attach()


@pytest.mark.parametrize(
    "configure",
    [
        lambda obj: setattr(obj.programs["pass"], "autoload", False),
        lambda obj: setattr(obj.programs["pass"], "log_level", 1),
        lambda obj: setattr(obj.programs["pass"], "flags", 0),
        lambda obj: obj.programs["btf_tracepoint"].set_attach_target("sys_exit"),
        lambda obj: setattr(obj.maps["counts"], "max_entries", 5),
    ],
)
def test_configuring_after_loading_is_a_state_error(
    spine: bpf.Object, configure: Callable[[bpf.Object], None]
) -> None:
    spine.load()
    with pytest.raises(bpf.StateError, match="before the object is loaded"):
        configure(spine)


def test_an_attach_target_decides_what_is_attached(spine: bpf.Object) -> None:
    spine.programs["btf_tracepoint"].set_attach_target("sys_exit")
    spine.load()
    with pytest.raises(bpf.NotFoundError):
        bpf.Object.open("/nonexistent")
    link = spine.program("btf_tracepoint", BtfTracePoint).attach()
    assert link.info().name == "sys_exit"  # type: ignore[attr-defined]


def test_the_verifiers_log_of_a_good_program_is_kept_on_demand(spine: bpf.Object) -> None:
    spine.programs["pass"].log_level = LogLevel.BRANCH | LogLevel.STATS
    spine.load()
    assert "processed" in spine.programs["pass"].log
    assert spine.programs["tasks"].log == ""


def test_two_threads_that_load_get_one_load_and_one_error(bpf_object: Find) -> None:
    for _ in range(5):
        with bpf.Object.open(bpf_object("spine")) as obj:
            outcomes: list[object] = []
            start = threading.Barrier(2)

            def load(
                obj: bpf.Object = obj, outcomes: list[object] = outcomes, start: threading.Barrier = start
            ) -> None:
                start.wait()
                try:
                    obj.load()
                    outcomes.append(None)
                except bpf.StateError as error:
                    outcomes.append(error)

            threads = [threading.Thread(target=load) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(str(type(outcome).__name__) for outcome in outcomes) == ["NoneType", "StateError"]


# --- a rejected program -----------------------------------------------------------------


def test_a_rejected_program_is_explained(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("rejected")) as obj:
        with pytest.raises(bpf.VerifierError) as caught:
            obj.load()
        error = caught.value
        assert error.program == "unchecked"
        assert error.section == "raw_tp/sys_enter"
        assert "map_value_or_null" in error.reason
        assert "return (int)*value" in error.source
        assert "processed" in error.log
        message = str(error)
        assert "unchecked" in message
        assert "return (int)*value" in message
        assert "map_value_or_null" in message
        assert len(message.splitlines()) < 20
        assert isinstance(error, OSError)
        with pytest.raises(bpf.StateError, match="an earlier load failed"):
            obj.load()


def test_a_rejected_object_leaves_nothing_in_the_kernel(bpf_object: Find, tmp_path: Path) -> None:
    path = tmp_path / "rejected.bpf.o"
    image, name = renamed(bpf_object("rejected").read_bytes(), b"unchecked")
    path.write_bytes(image)
    before = bpf_fds()
    with pytest.raises(bpf.VerifierError) as caught:
        bpf.Object.load_file(path)
    assert caught.value.program == name
    assert bpf_fds() == before
    eventually(lambda: name not in program_names())


# --- attach ---------------------------------------------------------------------------


def runs(obj: bpf.Object) -> list[int]:
    return [
        obj.variables[f"{name}_runs"].value for name in ("raw_tracepoint", "btf_tracepoint", "tracepoint")
    ]


def test_attach_attaches_all_that_can_and_close_ends_it(spine: bpf.Object) -> None:
    spine.load()
    links = spine.attach()
    assert [link for program in spine.programs.values() for link in program.links] == links
    assert len(links) == 5  # XDP needs a device
    os.getpgid(0)
    assert all(runs(spine))
    spine.detach()
    assert all(link.closed for link in links)
    eventually_unmoved(lambda: runs(spine), lambda: os.getpgid(0))


def test_attach_leaves_out_what_is_attached_already_or_marked(spine: bpf.Object) -> None:
    spine.load()
    first = spine.program("raw_tracepoint", RawTracePoint).attach()
    spine.programs["tracepoint"].autoattach = False
    links = spine.attach()
    assert first not in links
    assert not spine.programs["tracepoint"].links
    assert len(links) == 3
    assert spine.attach() == []


def test_attach_is_all_or_nothing(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("uprobe")) as obj:
        obj.load()
        with pytest.raises(bpf.NotSupportedError, match="nowhere"):
            obj.attach()
        assert all(not program.links for program in obj.programs.values())


# --- closing --------------------------------------------------------------------------


def test_everything_of_a_closed_object_is_closed(spine: bpf.Object) -> None:
    spine.load()
    spine.close()
    spine.close()
    assert spine.closed
    program = spine.programs["tasks"]
    assert program.closed
    for use in (
        spine.load,
        spine.attach,
        spine.prepare,
        lambda: program.fd,
        lambda: program.autoload,
        program.info,
    ):
        with pytest.raises(bpf.ClosedError):
            use()
    with pytest.raises(bpf.ClosedError), spine:
        pass
    assert "closed" in repr(spine)


def test_an_object_that_is_dropped_warns_and_is_freed(bpf_object: Find) -> None:
    obj = bpf.Object.load_file(bpf_object("plain"))
    id = obj.programs["nothing"].id
    assert id in program_ids()
    with pytest.warns(ResourceWarning, match="Object 'plain', loaded> was not closed"):  # noqa: PT031
        del obj
        gc.collect()
    bpf.ffi.gc  # any use frees what finalizers queued; here the next call
    with bpf.Object.open(bpf_object("plain")):
        pass
    eventually(lambda: id not in program_ids())


def test_a_program_keeps_its_object_alive(bpf_object: Find) -> None:
    program = bpf.Object.load_file(bpf_object("plain")).programs["nothing"]
    gc.collect()
    assert program.info().name == "nothing"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program._object.close()  # type: ignore[union-attr]


def test_closing_while_another_thread_loads_is_safe(bpf_object: Find) -> None:
    for _ in range(5):
        obj = bpf.Object.open(bpf_object("spine"))
        start = threading.Barrier(2)

        def load(obj: bpf.Object = obj, start: threading.Barrier = start) -> None:
            start.wait()
            try:
                obj.load()
            except bpf.ClosedError:
                pass

        thread = threading.Thread(target=load)
        thread.start()
        start.wait()
        obj.close()
        thread.join()


def test_a_forked_child_detaches_nothing(bpf_object: Find) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", """
import os, sys
import pylibbpf as bpf
obj = bpf.Object.open(sys.argv[1])
obj.variables["target_pid"].value = os.getpid()
obj.load()
obj.attach()
runs = obj.variables["tracepoint_runs"]
pid = os.fork()
if not pid:
    for use in (obj.load, obj.attach):
        try:
            use()
            os._exit(1)
        except bpf.StateError as error:
            assert "process" in str(error), error
    obj.close()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
before = runs.value
os.getpgid(0)
assert runs.value > before
obj.close()
""", str(bpf_object("spine"))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interpreter_that_exits_with_everything_open_says_nothing(bpf_object: Find) -> None:
    done = subprocess.run(
        [sys.executable, "-c", """
import sys
import pylibbpf as bpf
obj = bpf.Object.load_file(sys.argv[1])
links = obj.attach()
file = links[-1].open()
""", str(bpf_object("spine"))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


# --- pins of whole objects --------------------------------------------------------------


def test_an_object_pins_and_unpins_all_it_has(spine: bpf.Object, bpffs: Path) -> None:
    spine.load()
    spine.pin(bpffs)
    assert (bpffs / "tasks").exists()
    id = spine.programs["tasks"].id
    with Iter.from_pin(bpffs / "tasks") as pinned:
        assert pinned.id == id
    spine.close()
    assert id in program_ids()
    for path in bpffs.iterdir():
        path.unlink()
    eventually(lambda: id not in program_ids())
