# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on kernel functions, security hooks and functions of other programs: all need trampolines."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest

import pylibbpf as bpf
from pylibbpf import kernel
from pylibbpf.link import Link, TracingLink, attach_freplace, attach_lsm, attach_tracing
from pylibbpf.programs import Extension, FEntry, FExit, FModRet, FSession, Lsm, Xdp
from tests.conftest import eventually, eventually_unmoved
from tests.link.harness import LinkConformance, older_than

Find = Callable[[str], Path]

pytestmark = pytest.mark.needs("fentry")


class _FunctionConformance(LinkConformance):
    """A program on bpf_fentry_test1, which a test run of another program calls."""

    object, link_class = "functions", TracingLink
    target: ClassVar[str] = "bpf_fentry_test1"
    # Commit f3a95075549e: until then a program attaches once, and each test loads its own.
    attaches_again_since = "5.13"

    @pytest.fixture
    def where(self, _runner: bpf.Program) -> Any:
        return _runner

    def attach(self, program: Any, where: Any) -> Link:
        return attach_tracing(program)

    def trigger(self, where: Any) -> None:
        where.test_run()

    def check(self, info: Any, where: Any) -> None:
        assert info.attach_type == self.kind._attach_types[0]
        if not older_than("5.13"):
            assert info.target_obj_id
            with bpf.Btf.vmlinux() as kernel:
                assert kernel[info.target_btf_id].name == self.target


@pytest.fixture(scope="class")
def _runner(bpf_object: Find) -> Iterator[bpf.Program]:
    with bpf.Object.open(bpf_object("functions")) as obj:
        program = obj.programs["run_fentry_tests"]
        program.autoload = True
        obj.load()
        assert program.fd > 0
        yield program


class TestFEntry(_FunctionConformance):
    program, kind = "entered", FEntry


class TestFExit(_FunctionConformance):
    program, kind = "returned", FExit


class _OnFileOpen(LinkConformance):
    object, link_class = "functions", TracingLink
    attaches_again_since = "5.13"

    def attach(self, program: Any, where: Any) -> Link:
        return attach_tracing(program)

    def trigger(self, where: Any) -> None:
        with open("/dev/null"):
            pass

    def check(self, info: Any, where: Any) -> None:
        assert info.attach_type == self.kind._attach_types[0]


class TestFModRet(_OnFileOpen):
    program, kind = "modified", FModRet


class TestFSession(_FunctionConformance):
    program, kind = "session", FSession
    since = "7.0"


@pytest.mark.needs("lsm")
class TestLsm(_OnFileOpen):
    program, kind = "opened", Lsm

    def attach(self, program: Any, where: Any) -> Link:
        return attach_lsm(program)


class TestExtension(LinkConformance):
    object, program, kind, link_class = "extension", "new_answer", Extension, TracingLink
    # 5.10 replaces the function that a program was loaded for, and nothing else, once.
    attaches_again_since = "5.13"
    _target: ClassVar[Any]

    def prepare(self, obj: bpf.Object, stack: ExitStack) -> None:
        target: Any = stack.enter_context(bpf.Object.load_file(obj_path("replaceable")))
        type(self)._target = target.programs["first"]
        assert type(self)._target.fd
        obj.programs[self.program].set_attach_target("answer", program=type(self)._target)

    def load_alone(self, program: Any) -> None:
        program.load("answer", program=self._target)

    @pytest.fixture
    def where(self, _loaded: bpf.Object) -> Any:
        return type(self)._target

    def attach(self, program: Any, where: Any) -> Link:
        return attach_freplace(program, where, "answer")

    def trigger(self, where: Any) -> None:
        where.test_run(bytes(64))


def obj_path(name: str) -> Path:
    return Path(__file__).parent.parent / "bpf" / f"{name}.bpf.o"


# --- what each kind does --------------------------------------------------------------------


@pytest.fixture
def functions(bpf_object: Find) -> Iterator[bpf.Object]:
    with bpf.Object.open(bpf_object("functions")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


def load(obj: bpf.Object, *names: str) -> None:
    for name in names:
        obj.programs[name].autoload = True
    obj.load()


@pytest.mark.parametrize(
    ("name", "kind"), [("modified", FModRet), pytest.param("opened", Lsm, marks=pytest.mark.needs("lsm"))]
)
def test_what_it_returns_denies_the_operation_until_it_is_closed(
    functions: bpf.Object, tmp_path: Path, name: str, kind: Any
) -> None:
    load(functions, name)
    path = tmp_path / "secret"
    path.write_text("secret")
    denies = functions.variables["denies"]
    with functions.program(name, kind).attach():
        denies.value = True
        with pytest.raises(PermissionError):
            os.open(path, os.O_RDONLY)
        denies.value = False
        assert path.read_text() == "secret"
        denies.value = True

    def opens() -> bool:
        try:
            return path.read_text() == "secret"
        except PermissionError:
            return False

    eventually(opens)


@pytest.mark.kernel("7.0", "fsession")
def test_fsession_runs_on_entry_and_on_exit(functions: bpf.Object) -> None:
    load(functions, "session", "run_fentry_tests")
    with functions.program("session", FSession).attach():
        functions.programs["run_fentry_tests"].test_run()
        assert functions.variables["session_runs"].value == 2


@pytest.mark.kernel("5.18", "cookies of tracing programs")
def test_a_cookie_reaches_the_program(functions: bpf.Object) -> None:
    load(functions, "entered_with_cookie", "run_fentry_tests")
    with functions.program("entered_with_cookie", FEntry).attach(cookie=0x1234567890ABCDEF):
        functions.programs["run_fentry_tests"].test_run()
    assert functions.variables["cookie"].value == 0x1234567890ABCDEF


def test_a_cookie_on_a_kernel_without_them_is_refused(functions: bpf.Object) -> None:
    load(functions, "entered")
    program = functions.program("entered", FEntry)
    if older_than("5.18"):
        with pytest.raises(bpf.NotSupportedError, match=r"5\.18"):
            program.attach(cookie=7)
        assert program.links == ()
    else:
        with program.attach(cookie=7) as link:
            assert link.info().cookie in (7, None)  # type: ignore[attr-defined]


def test_a_program_opened_in_the_wrong_class_is_refused(functions: bpf.Object, bpffs: Path) -> None:
    load(functions, "entered")
    functions.programs["entered"].pin(bpffs / "entered")
    with (
        FExit.from_pin(bpffs / "entered") as program,
        pytest.raises(bpf.ProgramTypeError, match="opened as TRACE_FEXIT, and attaches as TRACE_FENTRY"),
    ):
        attach_tracing(program)


# --- freplace ---------------------------------------------------------------------------------


@pytest.fixture
def replaceable(bpf_object: Find) -> Iterator[bpf.Object]:
    with bpf.Object.load_file(bpf_object("replaceable")) as obj:
        yield obj


@pytest.fixture
def extension(bpf_object: Find, replaceable: bpf.Object) -> Iterator[Extension]:
    """An extension, loaded for the function `answer` of the program `first`."""
    with bpf.Object.open(bpf_object("extension")) as obj:
        program = obj.program("new_answer", Extension)
        program.set_attach_target("answer", program=replaceable.programs["first"])
        obj.load()
        yield program


def result(program: bpf.Program) -> int:
    return program.test_run(bytes(64)).return_value


def test_an_extension_replaces_the_function_it_was_loaded_for(
    extension: Extension, replaceable: bpf.Object
) -> None:
    first, second = replaceable.program("first", Xdp), replaceable.program("second", Xdp)
    assert (result(first), result(second)) == (5, 2)
    with extension.attach():
        assert (result(first), result(second)) == (1004, 2)
    eventually(lambda: (result(first), result(second)) == (5, 2))


def test_an_extension_that_was_detached_says_how_to_attach_it_again(
    extension: Extension, replaceable: bpf.Object
) -> None:
    extension.attach().close()
    with pytest.raises(bpf.BpfError, match="name target and function"):
        extension.attach()


@pytest.mark.kernel("5.13", "extensions that attach again")
def test_an_extension_replaces_the_same_function_of_another_program(
    extension: Extension, replaceable: bpf.Object
) -> None:
    first, second = replaceable.program("first", Xdp), replaceable.program("second", Xdp)
    with extension.attach(second, "answer"):
        assert (result(first), result(second)) == (5, 1001)
    eventually(lambda: result(second) == 2)
    with extension.attach(first, "other_answer"):
        assert result(first) == 2 + 1001


def test_an_extension_of_other_types_or_names_is_refused(
    extension: Extension, replaceable: bpf.Object
) -> None:
    first = replaceable.program("first", Xdp)
    with pytest.raises(bpf.NotFoundError, match=r"It has.*answer"):
        extension.attach(first, "anser")
    with pytest.raises(bpf.BpfError, match="types of the one it was loaded for"):
        extension.attach(first, "unlike")
    with pytest.raises(ValueError, match="together"):
        extension.attach(first)
    with pytest.raises(ValueError, match="together"):
        extension.attach(function="answer")
    with pytest.raises(bpf.ProgramTypeError, match="is of type XDP, not EXT"):
        attach_freplace(first)


def test_a_target_that_is_closed_is_refused(bpf_object: Find, replaceable: bpf.Object) -> None:
    first = replaceable.program("first", Xdp)
    first.close()
    with bpf.Object.open(bpf_object("extension")) as obj:
        program = obj.program("new_answer", Extension)
        with pytest.raises(bpf.ClosedError, match="'first' is closed"):
            program.set_attach_target("answer", program=first)
        with pytest.raises(bpf.ClosedError, match="'first' is closed"):
            program.load("answer", program=first)


# --- modules ------------------------------------------------------------------------------------


@pytest.fixture
def dummy_device() -> Iterator[str]:
    """A device of the module `dummy`, which is up."""
    name = f"pydummy{os.getpid()}"  # at most 15 characters
    subprocess.run(["ip", "link", "add", name, "type", "dummy"], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    yield name
    subprocess.run(["ip", "link", "del", name], check=True)


@pytest.mark.needs("module_btf")
@pytest.mark.parametrize(("name", "kind"), [("entered_module", FEntry), ("left_module", FExit)])
def test_fentry_and_fexit_attach_to_a_function_of_a_module(
    functions: bpf.Object, dummy_device: str, name: str, kind: type[FEntry | FExit]
) -> None:
    entry = functions.program(name, kind)
    entry.autoload = True
    with pytest.raises(bpf.NotFoundError, match="no such function"):
        entry.load("dummy:nonesuch")
    entry.load("dummy:dummy_xmit")
    runs = functions.variables[f"{name}_runs"]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((dummy_device, 0))
        with entry.attach() as link, bpf.Btf.module("dummy") as types:
            info = link.info()
            assert info.target_btf_id == types.find("dummy_xmit", "func").id  # type: ignore[attr-defined]
            sender.send(bytes(64))
            assert runs.value > 0
        eventually_unmoved(lambda: runs.value, lambda: sender.send(bytes(64)))


@pytest.mark.needs("module_btf")
def test_the_btf_of_a_module_says_where_the_function_is(functions: bpf.Object) -> None:
    entry = functions.program("entered_module", FEntry)
    entry.autoload = True
    with bpf.Btf.module("dummy") as types:
        entry.load("dummy_xmit", types)
        with entry.attach() as link:
            dummy = next(found.id for found in kernel.btfs() if found.name == "dummy")
            assert link.info().target_obj_id == dummy  # type: ignore[attr-defined]


def test_a_program_without_such_a_function_is_refused_at_open_and_at_load(
    bpf_object: Find, replaceable: bpf.Object
) -> None:
    with bpf.Object.open(bpf_object("extension")) as obj:
        program = obj.program("new_answer", Extension)
        first = replaceable.programs["first"]
        with pytest.raises(bpf.NotFoundError, match="target program has no such function"):
            program.set_attach_target("nonesuch", program=first)
        with pytest.raises(bpf.NotFoundError, match="There is no such func"):
            program.load("nonesuch", program=first)
