# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Probes of system calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import PerfEventType
from pylibbpf.link import Link, PerfEventLink, attach_ksyscall
from pylibbpf.link.info import KProbeInfo, PerfEventInfo
from pylibbpf.programs import KSyscall
from tests.conftest import eventually
from tests.link.harness import LinkConformance, older_than

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]


@pytest.mark.needs("kprobe")
class TestKSyscall(LinkConformance):
    object, program = "ksyscall", "on_entry"
    kind, link_class = KSyscall, PerfEventLink
    link_since = "5.15"
    event_type = PerfEventType.KPROBE

    def attach(self, program: Any, where: Any) -> Link:
        return attach_ksyscall(program, "getpgid")

    def trigger(self, where: Any) -> None:
        os.getpgid(0)

    def check(self, info: Any, where: Any) -> None:
        if older_than("6.6"):
            assert type(info) is PerfEventInfo
            return
        assert type(info) is KProbeInfo
        assert info.event_type == self.event_type
        assert info.function.endswith("_sys_getpgid")


class TestKRetSyscall(TestKSyscall):
    program = "on_return"
    event_type = PerfEventType.KRETPROBE

    def attach(self, program: Any, where: Any) -> Link:
        return attach_ksyscall(program, "getpgid", on_return=True)


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/ksyscall.bpf.c, not yet loaded, counting this process."""
    with bpf.Object.open(bpf_object("ksyscall")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


def fires(obj: bpf.Object, name: str) -> bool:
    before = obj.variables[f"{name}_runs"].value
    os.getpgid(0)
    return bool(obj.variables[f"{name}_runs"].value > before)


def event_type(link: Link) -> PerfEventType | None:
    return link.info().event_type  # type: ignore[attr-defined,no-any-return]


@pytest.mark.needs("kprobe")
@pytest.mark.parametrize("name", ["on_entry", "on_return"])
def test_the_section_decides_or_the_caller(obj: bpf.Object, name: str) -> None:
    obj.load()
    program = obj.program(name, KSyscall)
    for arguments in ((), ("getpgid",)):
        link = program.attach(*arguments)
        assert program.links == (link,)
        assert fires(obj, name)
        if not older_than("6.6"):
            wanted = PerfEventType.KRETPROBE if name == "on_return" else PerfEventType.KPROBE
            assert event_type(link) == wanted
        link.close()
        eventually(lambda: not fires(obj, name))
    program.attach(on_return=name == "on_entry")
    assert fires(obj, name)


@pytest.mark.needs("kprobe", "prepare")
@pytest.mark.parametrize("name", ["on_entry", "on_return"])
def test_the_section_decides_for_a_program_that_was_loaded_alone(obj: bpf.Object, name: str) -> None:
    program = obj.program(name, KSyscall)
    program.load()
    link = program.attach()
    assert program.links == (link,)
    assert fires(obj, name)


def test_without_a_section_the_caller_must_say_where(obj: bpf.Object) -> None:
    obj.load()
    with pytest.raises(TypeError, match="needs the system call"):
        obj.program("with_cookie", KSyscall).attach()
    with KSyscall.from_id(obj.programs["on_entry"].id) as found:
        for options in ({}, {"on_return": True}, {"cookie": 1}):
            with pytest.raises(TypeError, match="needs the system call"):
                found.attach(**options)


@pytest.mark.needs("kprobe")
def test_a_cookie_reaches_the_program_or_the_kernel_says_since_when(obj: bpf.Object) -> None:
    program = obj.program("with_cookie", KSyscall)
    if older_than("5.15"):
        obj.load()
        with pytest.raises(bpf.NotSupportedError, match=r"Cookies of perf events came with Linux 5\.15"):
            obj.program("on_entry", KSyscall).attach("getpgid", cookie=1)
        return
    program.autoload = True
    obj.load()
    program.attach("getpgid", cookie=2**64 - 1)
    os.getpgid(0)
    assert obj.variables["cookie"].value == 2**64 - 1


@pytest.mark.needs("kprobe")
def test_a_system_call_that_is_not_there_is_not_found(obj: bpf.Object) -> None:
    obj.programs["missing"].autoload = True
    obj.load()
    for attach in (
        obj.program("missing", KSyscall).attach,
        lambda: attach_ksyscall(obj.programs["on_entry"], "no_such_call", on_return=True),
    ):
        with pytest.raises(bpf.NotFoundError, match="no system call 'no_such_call'"):
            attach()


@pytest.mark.needs("no_kprobe")
def test_a_kernel_without_kprobes_says_so(obj: bpf.Object) -> None:
    obj.load()
    with pytest.raises(bpf.NotSupportedError, match="built without kprobes"):
        obj.program("on_entry", KSyscall).attach()


@pytest.mark.parametrize(
    ("syscall", "options", "error", "match"),
    [
        ("", {}, ValueError, "syscall"),
        ("two words", {}, ValueError, "syscall"),
        ("x" * 65, {}, ValueError, "syscall"),
        ("a\0b", {}, ValueError, "NUL"),
        (1, {}, TypeError, "syscall"),
        ("getpgid", {"cookie": 2**64}, OverflowError, "cookie"),
    ],
)
def test_an_argument_that_cannot_be_is_refused(
    obj: bpf.Object, syscall: Any, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    obj.load()
    with pytest.raises(error, match=match):
        attach_ksyscall(obj.programs["on_entry"], syscall, **options)
