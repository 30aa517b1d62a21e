# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Kprobes of many functions at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf import lib
from pylibbpf.link import KProbeMultiLink, Link, attach_kprobe_multi, kprobe_multi
from pylibbpf.link.info import KProbeMultiInfo
from pylibbpf.programs import KProbe, KProbeMulti, KProbeSession
from tests.conftest import eventually
from tests.link.functions import pattern_of_a_thousand
from tests.link.harness import LinkConformance, older_than
from tests.link.test_kprobe import FUNCTION, address_of

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]

PATTERN = "__x64_sys_getpgi?"


@pytest.mark.needs("kprobe_multi")
class TestKProbeMulti(LinkConformance):
    object, program = "kprobe_multi", "on_entry"
    kind, link_class = KProbeMulti, KProbeMultiLink
    flags = 0

    def attach(self, program: Any, where: Any) -> Link:
        # Without * and ? libbpf need not read what there is.
        return attach_kprobe_multi(program, FUNCTION)

    def trigger(self, where: Any) -> None:
        os.getpgid(0)

    def check(self, info: Any, where: Any) -> None:
        assert type(info) is KProbeMultiInfo
        assert (info.count, info.flags, info.missed) == (1, self.flags, 0)
        # Behind the endbr64 of indirect branch tracking.
        assert info.addresses in ((address_of(FUNCTION),), (address_of(FUNCTION) + 4,))
        assert info.cookies == (0,)


class TestKRetProbeMulti(TestKProbeMulti):
    program = "on_return"
    flags = 1

    def attach(self, program: Any, where: Any) -> Link:
        return attach_kprobe_multi(program, functions=[FUNCTION], on_return=True)


class TestKProbeSession(TestKProbeMulti):
    object, program, kind = "kprobe_session", "on_both", KProbeSession  # type: ignore[assignment]

    def attach(self, program: Any, where: Any) -> Link:
        return attach_kprobe_multi(program, functions=[FUNCTION], session=True)


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/kprobe_multi.bpf.c, not yet loaded, counting this process."""
    with bpf.Object.open(bpf_object("kprobe_multi")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


@pytest.fixture
def program(obj: bpf.Object) -> KProbeMulti:
    obj.load()
    return obj.program("on_entry", KProbeMulti)


@pytest.fixture(params=["object", "fd"])
def either(request: pytest.FixtureRequest, program: KProbeMulti) -> Iterator[KProbeMulti]:
    """A program of an object, and the same from the kernel."""
    if request.param == "object":
        yield program
        return
    with KProbeMulti.from_fd(program.fd) as found:
        yield found


def runs(obj: bpf.Object, name: str = "on_entry") -> int:
    """How often one call of getpgid runs a program."""
    before = obj.variables[f"{name}_runs"].value
    os.getpgid(0)
    return int(obj.variables[f"{name}_runs"].value - before)


# --- where it attaches ---------------------------------------------------------------------


@pytest.mark.needs("kprobe_multi")
@pytest.mark.parametrize("name", ["on_entry", "on_return"])
def test_the_section_decides_or_the_caller(obj: bpf.Object, name: str) -> None:
    obj.load()
    program = obj.program(name, KProbeMulti)
    for attach in (program.attach, lambda: program.attach(PATTERN)):
        link = attach()
        assert program.links == (link,)
        assert link.info().flags == (name == "on_return")  # type: ignore[attr-defined]
        assert runs(obj, name) == 1
        link.close()
        eventually(lambda: runs(obj, name) == 0)


@pytest.mark.needs("kprobe_multi", "prepare")
@pytest.mark.parametrize("name", ["on_entry", "on_return"])
def test_the_section_decides_for_a_program_that_was_loaded_alone(obj: bpf.Object, name: str) -> None:
    program = obj.program(name, KProbeMulti)
    program.load()
    link = program.attach()
    assert program.links == (link,)
    assert link.info().flags == (name == "on_return")  # type: ignore[attr-defined]
    assert runs(obj, name) == 1


def test_without_a_section_the_caller_must_say_where(obj: bpf.Object) -> None:
    obj.load()
    with pytest.raises(TypeError, match="needs a pattern, functions or addresses"):
        obj.program("with_cookie", KProbeMulti).attach()
    with KProbeMulti.from_id(obj.programs["on_entry"].id) as found:
        for attach in (
            found.attach,
            lambda: found.attach(on_return=True),
            lambda: found.attach(unique_match=True),
        ):
            with pytest.raises(TypeError, match="needs a pattern, functions or addresses"):
                attach()


@pytest.mark.needs("kprobe_multi")
def test_functions_and_addresses_name_the_same(obj: bpf.Object, either: KProbeMulti) -> None:
    names = ["__x64_sys_getppid", FUNCTION]
    with attach_kprobe_multi(either, functions=names, cookies=[3, 2**64 - 1]) as by_name:
        info = by_name.info()
        assert isinstance(info, KProbeMultiInfo)
        assert info.addresses is not None
        assert info.cookies is not None
        assert set(info.cookies) == {3, 2**64 - 1}
        assert runs(obj) == 1
    eventually(lambda: runs(obj) == 0)
    with attach_kprobe_multi(either, addresses=[address_of(name) for name in names]) as by_address:
        found = by_address.info()
        assert isinstance(found, KProbeMultiInfo)
        assert found.addresses is not None
        assert set(found.addresses) == set(info.addresses)
        assert runs(obj) == 1
    eventually(lambda: runs(obj) == 0)


@pytest.mark.needs("kprobe_multi")
def test_cookies_reach_the_program(obj: bpf.Object) -> None:
    program = obj.program("with_cookie", KProbeMulti)
    program.autoload = True
    obj.load()
    with KProbeMulti.from_fd(program.fd) as found:
        for origin in (program, found):
            with attach_kprobe_multi(origin, functions=[FUNCTION, "__x64_sys_getppid"], cookies=[8, 7]):
                os.getpgid(0)
                assert obj.variables["cookie"].value == 8
                os.getppid()
                assert obj.variables["cookie"].value == 7


@pytest.mark.needs("kprobe_multi")
@pytest.mark.kernel("6.10", "kprobe sessions")
def test_a_session_runs_on_entry_and_on_return(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("kprobe_session")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        obj.load()
        program = obj.program("on_both", KProbeSession)
        for attach in (program.attach, lambda: program.attach(functions=[FUNCTION])):
            with attach():
                assert runs(obj, "on_both") == 2
            eventually(lambda: runs(obj, "on_both") == 0)


@pytest.mark.needs("kprobe_multi")
def test_a_unique_match_is_of_one_function(obj: bpf.Object, either: KProbeMulti) -> None:
    with attach_kprobe_multi(either, PATTERN, unique_match=True):
        assert runs(obj) == 1
    with pytest.raises(bpf.BpfError, match="make it more exact"):
        attach_kprobe_multi(either, "__x64_sys_getp*", unique_match=True)


# --- what is not there ---------------------------------------------------------------------


@pytest.mark.needs("no_kprobe_multi")
def test_a_kernel_without_kprobe_multi_says_so(obj: bpf.Object, program: KProbeMulti) -> None:
    why = r"came with Linux 5\.18" if older_than("5.18") else "built without fprobe"
    with KProbeMulti.from_fd(program.fd) as found:
        for attach in (
            program.attach,
            lambda: attach_kprobe_multi(found, PATTERN),
            lambda: attach_kprobe_multi(found, functions=[FUNCTION], on_return=True),
            lambda: attach_kprobe_multi(found, addresses=[1 << 63]),
        ):
            with pytest.raises(bpf.NotSupportedError, match=why):
                attach()


@pytest.mark.needs("libbpf_1_7")
@pytest.mark.needs("no_kprobe_multi")
def test_a_kernel_without_sessions_says_so(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("kprobe_session")) as obj:
        obj.load()
        with pytest.raises(bpf.NotSupportedError, match=r"came with Linux|built without fprobe"):
            obj.program("on_both", KProbeSession).attach()


@pytest.mark.needs("kprobe_multi")
def test_functions_that_are_not_there_are_named(either: KProbeMulti) -> None:
    with pytest.raises(bpf.NotFoundError, match="There is no 'no_such_function', 'nor_this' among") as caught:
        attach_kprobe_multi(either, functions=["no_such_function", FUNCTION, "nor_this"])
    assert "(ENOENT)" in str(caught.value)
    with pytest.raises(bpf.NotFoundError, match="No function that can be traced matches 'no_such_func"):
        attach_kprobe_multi(either, "no_such_func*")
    with pytest.raises(bpf.NotFoundError, match="No function that can be traced matches 'no_such_func"):
        attach_kprobe_multi(either, "no_such_func")


@pytest.mark.needs("kprobe_multi")
def test_what_the_section_names_and_is_not_there_is_not_found(obj: bpf.Object) -> None:
    obj.programs["missing"].autoload = True
    obj.load()
    with pytest.raises(bpf.NotFoundError, match="No function that can be traced matches 'no_such_func"):
        obj.program("missing", KProbeMulti).attach()


@pytest.mark.needs("kprobe_multi")
def test_an_address_of_no_function_says_so(either: KProbeMulti) -> None:
    with pytest.raises(bpf.BpfError, match="addresses must be those of functions"):
        attach_kprobe_multi(either, addresses=[address_of(FUNCTION) + 9])


# --- what cannot be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({}, ValueError, "exactly one of pattern, functions and addresses"),
        ({"pattern": "x", "functions": ["x"]}, ValueError, "exactly one"),
        ({"functions": ["x"], "addresses": [1]}, ValueError, "exactly one"),
        ({"pattern": ""}, ValueError, "pattern must not be empty"),
        ({"pattern": "a\0b"}, ValueError, "NUL"),
        ({"functions": []}, ValueError, "functions must not be empty"),
        ({"functions": "vfs_read"}, TypeError, "functions must be a sequence"),
        ({"functions": ["x", ""]}, ValueError, "none is empty"),
        ({"functions": ["x", "x"]}, ValueError, "stands there once"),
        ({"functions": [1]}, TypeError, "function"),
        ({"addresses": []}, ValueError, "addresses must not be empty"),
        ({"addresses": [-1]}, OverflowError, "address"),
        ({"addresses": ["1"]}, TypeError, "address"),
        ({"pattern": "x", "cookies": [1]}, ValueError, "cookies are for a list"),
        ({"functions": ["x"], "cookies": []}, ValueError, "one for each of functions: 0 for 1"),
        ({"functions": ["x"], "cookies": [2**64]}, OverflowError, "cookies"),
        ({"functions": ["x"], "unique_match": True}, ValueError, "unique_match is for a pattern"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    program: KProbeMulti, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        attach_kprobe_multi(program, **options)


@pytest.mark.needs("libbpf_1_7")
def test_a_program_of_another_kind_is_refused(obj: bpf.Object, bpf_object: Find) -> None:
    with pytest.raises(bpf.ProgramTypeError, match="'one' is not for many functions at once"):
        attach_kprobe_multi(obj.program("one", KProbe), PATTERN)
    with pytest.raises(bpf.ProgramTypeError, match="it makes no session"):
        attach_kprobe_multi(obj.program("on_entry", KProbeMulti), PATTERN, session=True)
    with (
        bpf.Object.open(bpf_object("kprobe_session")) as session,
        pytest.raises(ValueError, match="on_return is for others"),
    ):
        attach_kprobe_multi(session.programs["on_both"], PATTERN, on_return=True)


@pytest.mark.needs("kprobe_multi")
def test_a_program_that_was_loaded_for_one_function_is_refused_by_the_kernel(obj: bpf.Object) -> None:
    obj.programs["one"].autoload = True
    obj.load()
    with KProbeMulti.from_fd(obj.programs["one"].fd) as found:
        for options in ({"pattern": PATTERN}, {"functions": [FUNCTION]}):
            with pytest.raises(bpf.BpfError, match="must have been loaded for many functions at once"):
                attach_kprobe_multi(found, **options)


# --- how it is found -----------------------------------------------------------------------


@pytest.mark.needs("kprobe_multi")
def test_a_thousand_functions_by_pattern_are_looked_for_by_libbpf_once(
    program: KProbeMulti, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a program in C: by one call of libbpf's function, and no list that Python would read besides."""
    pattern, calls = pattern_of_a_thousand(), CallsOfLibbpf()
    monkeypatch.setattr(kprobe_multi, "lib", calls)
    with files_opened_by_python() as files:
        attach_kprobe_multi(program, pattern).close()
    assert calls.names == ["call_bpf_program__attach_kprobe_multi_opts"]
    assert not [file for file in files if file.startswith(("/proc/", "/sys/"))]
    with attach_kprobe_multi(program, pattern) as link:
        assert link.info().count >= 1000  # type: ignore[attr-defined]


class CallsOfLibbpf:
    """The library, with the names of what is called in it."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(lib, name)

        def call(*arguments: Any) -> Any:
            self.names.append(name)
            return function(*arguments)

        return call


@contextmanager
def files_opened_by_python() -> Iterator[list[str]]:
    """Lists the files that Python opens in the meantime, not those that libbpf does."""
    files: list[str] = []
    listed = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if listed and event == "open":
            files.append(str(arguments[0]))

    # It can be turned off, but not removed.
    sys.addaudithook(hook)
    try:
        yield files
    finally:
        listed = False
