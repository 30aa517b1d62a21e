# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Kprobes: functions of the kernel."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import PerfEventType, ProbeAttachMode
from pylibbpf.link import Link, PerfEventLink, attach_kprobe, attach_kretprobe
from pylibbpf.link.info import KProbeInfo, PerfEventInfo
from pylibbpf.programs import KProbe, KRetProbe
from tests.conftest import eventually, eventually_unwritten
from tests.link.harness import LinkConformance, older_than

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]

FUNCTION = "__x64_sys_getpgid"


@pytest.mark.needs("kprobe")
class TestKProbe(LinkConformance):
    object, program = "kprobe", "on_entry"
    kind, link_class = KProbe, PerfEventLink
    link_since = "5.15"
    event_type = PerfEventType.KPROBE

    def attach(self, program: Any, where: Any) -> Link:
        return attach_kprobe(program, FUNCTION)

    def trigger(self, where: Any) -> None:
        os.getpgid(0)

    def check(self, info: Any, where: Any) -> None:
        if older_than("6.6"):
            assert type(info) is PerfEventInfo
            assert info.event_type is None
            return
        assert type(info) is KProbeInfo
        assert info.event_type == self.event_type
        assert (info.function, info.offset) == (FUNCTION, 0)
        # Behind the endbr64 of indirect branch tracking (arch_adjust_kprobe_addr).
        assert info.address in (address_of(FUNCTION), address_of(FUNCTION) + 4)
        assert info.missed == (None if older_than("6.7") else 0)
        assert info.cookie == (None if older_than("6.9") else 0)


class TestKRetProbe(TestKProbe):
    program, kind = "on_return", KRetProbe  # type: ignore[assignment]
    event_type = PerfEventType.KRETPROBE

    def attach(self, program: Any, where: Any) -> Link:
        return attach_kretprobe(program, FUNCTION)


def kernel_functions() -> Iterator[tuple[str, int]]:
    """Names and addresses of the kernel's own functions."""
    with open("/proc/kallsyms") as symbols:
        for line in symbols:
            address, kind, name, *module = line.split()
            if kind in "tT" and not module:
                yield name, int(address, 16)


def address_of(function: str) -> int:
    return next(address for name, address in kernel_functions() if name == function)


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/kprobe.bpf.c, not yet loaded, counting this process."""
    with bpf.Object.open(bpf_object("kprobe")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


@pytest.fixture
def program(obj: bpf.Object) -> KProbe:
    obj.load()
    return obj.program("on_entry", KProbe)


@pytest.fixture(params=["object", "fd"])
def either(request: pytest.FixtureRequest, program: KProbe) -> Iterator[KProbe]:
    """A program of an object, and the same from the kernel."""
    if request.param == "object":
        yield program
        return
    with KProbe.from_fd(program.fd) as found:
        yield found


def fires(obj: bpf.Object, name: str = "on_entry") -> bool:
    before = obj.variables[f"{name}_runs"].value
    os.getpgid(0)
    return bool(obj.variables[f"{name}_runs"].value > before)


# --- where it attaches ---------------------------------------------------------------------


@pytest.mark.needs("kprobe")
@pytest.mark.parametrize(("name", "kind"), [("on_entry", KProbe), ("on_return", KRetProbe)])
def test_the_section_decides_or_the_caller(obj: bpf.Object, name: str, kind: type[KProbe]) -> None:
    obj.load()
    program = obj.program(name, kind)
    for arguments in ((), (FUNCTION,)):
        link = program.attach(*arguments)
        assert program.links == (link,)
        assert fires(obj, name)
        link.close()
        eventually(lambda: not fires(obj, name))


@pytest.mark.needs("kprobe", "prepare")
@pytest.mark.parametrize(("name", "kind"), [("on_entry", KProbe), ("on_return", KRetProbe)])
def test_the_section_decides_for_a_program_that_was_loaded_alone(
    obj: bpf.Object, name: str, kind: type[KProbe]
) -> None:
    program = obj.program(name, kind)
    program.load()
    link = program.attach()
    assert program.links == (link,)
    assert fires(obj, name)


@pytest.mark.parametrize(("name", "kind"), [("on_entry", KProbe), ("on_return", KRetProbe)])
def test_without_a_section_the_caller_must_say_where(obj: bpf.Object, name: str, kind: type[KProbe]) -> None:
    obj.load()
    with pytest.raises(TypeError, match="needs the function"):
        obj.program("with_cookie", KProbe).attach()
    with kind.from_id(obj.programs[name].id) as found, pytest.raises(TypeError, match="needs the function"):
        found.attach()


@pytest.mark.needs("kprobe")
def test_an_offset_is_that_of_an_instruction(obj: bpf.Object, either: KProbe) -> None:
    # The function begins with an instruction of 5 bytes for ftrace or, since 6.2, of 4 for indirect
    # branch tracking, and then that.
    with pytest.raises(bpf.BpfError, match="inside an instruction"):
        attach_kprobe(either, FUNCTION, offset=1)
    for offset in (5, 9):
        try:
            link = either.attach(FUNCTION, offset=offset)
        except bpf.BpfError:
            continue
        assert fires(obj)
        if not older_than("6.6"):
            assert link.info().offset == offset  # type: ignore[attr-defined]
        break
    else:
        pytest.fail("neither is the offset of an instruction")


def test_an_offset_without_a_function_is_refused(obj: bpf.Object) -> None:
    with pytest.raises(TypeError, match="offset is of a function"):
        obj.program("on_entry", KProbe).attach(offset=5)


# --- attach modes --------------------------------------------------------------------------


def own_events() -> list[str]:
    """The events in tracefs that libbpf made for this process."""
    lines = Path("/sys/kernel/tracing/kprobe_events").read_text().splitlines()
    return [line for line in lines if f"/libbpf_{os.getpid()}_" in line]


@pytest.mark.needs("kprobe", "tracefs", "attach_mode")
def test_a_legacy_probe_lives_in_tracefs_and_is_no_link(obj: bpf.Object, either: KProbe) -> None:
    for attach in (attach_kprobe, attach_kretprobe):
        link = attach(either, FUNCTION, attach_mode=ProbeAttachMode.LEGACY)
        assert not link.is_bpf_link
        assert len(own_events()) == 1
        assert fires(obj)
        link.close()
        assert own_events() == []
        assert not fires(obj)


@pytest.mark.needs("kprobe", "attach_mode")
def test_a_perf_probe_is_no_link(obj: bpf.Object, either: KProbe) -> None:
    with attach_kprobe(either, FUNCTION, attach_mode=ProbeAttachMode.PERF) as link:
        assert type(link) is PerfEventLink
        assert not link.is_bpf_link
        assert fires(obj)
    assert not fires(obj)


@pytest.mark.needs("kprobe", "attach_mode")
def test_a_link_can_be_insisted_on(obj: bpf.Object, either: KProbe) -> None:
    if older_than("5.15"):
        with pytest.raises(bpf.NotSupportedError, match=r"Links of perf events came with Linux 5\.15"):
            attach_kprobe(either, FUNCTION, attach_mode=ProbeAttachMode.LINK)
        return
    with attach_kprobe(either, FUNCTION, attach_mode=ProbeAttachMode.LINK) as link:
        assert link.is_bpf_link
        assert fires(obj)


# --- cookies -------------------------------------------------------------------------------


@pytest.mark.needs("kprobe")
def test_a_cookie_reaches_the_program_or_the_kernel_says_since_when(obj: bpf.Object) -> None:
    program = obj.program("with_cookie", KProbe)
    if older_than("5.15"):
        obj.load()
        program = obj.program("on_entry", KProbe)
        with pytest.raises(bpf.NotSupportedError, match=r"Cookies of perf events came with Linux 5\.15"):
            program.attach(FUNCTION, cookie=1)
        return
    program.autoload = True
    obj.load()
    with KProbe.from_fd(program.fd) as found:
        for cookie, origin in ((2**64 - 1, program), (5, found)):
            with attach_kprobe(origin, FUNCTION, cookie=cookie) as link:
                os.getpgid(0)
                assert obj.variables["cookie"].value == cookie
                if not older_than("6.9"):
                    assert link.info().cookie == cookie  # type: ignore[attr-defined]
            eventually_unwritten(obj.variables["cookie"], lambda: os.getpgid(0))


# --- what is not there ---------------------------------------------------------------------


@pytest.mark.needs("no_kprobe")
def test_a_kernel_without_kprobes_says_so(program: KProbe) -> None:
    with KProbe.from_fd(program.fd) as found:
        for attach in (program.attach, lambda: attach_kretprobe(found, FUNCTION)):
            with pytest.raises(bpf.NotSupportedError, match="built without kprobes"):
                attach()


@pytest.mark.needs("kprobe")
def test_a_function_that_is_not_there_is_not_found(either: KProbe) -> None:
    for attach in (attach_kprobe, attach_kretprobe):
        with pytest.raises(bpf.NotFoundError, match=r"not in /proc/kallsyms") as caught:
            attach(either, "no_such_function")
        assert any("prog 'on_entry': failed to create" in line for line in caught.value.messages)
        assert "carrier" not in str(caught.value)


@pytest.mark.needs("kprobe")
def test_what_the_section_names_and_is_not_there_is_not_found(obj: bpf.Object) -> None:
    obj.programs["missing"].autoload = True
    obj.load()
    with pytest.raises(bpf.NotFoundError, match=r"not in /proc/kallsyms"):
        obj.program("missing", KProbe).attach()


@pytest.mark.needs("kprobe")
def test_a_function_of_which_the_compiler_made_another_is_told(either: KProbe) -> None:
    names = sorted({name for name, _ in kernel_functions()})
    made = next(name for name in names if ".constprop." in name and name.partition(".")[0] not in names)
    with pytest.raises(bpf.NotFoundError, match="The compiler made of it "):
        attach_kprobe(either, made.partition(".")[0])


@pytest.mark.needs("kprobe")
@pytest.mark.kernel("6.6", "an error for a name of several functions")
def test_a_name_of_several_functions_says_so(either: KProbe) -> None:
    names = Counter(name for name, _ in kernel_functions())
    name = next(name for name, count in names.items() if count > 1 and "." not in name)
    with pytest.raises(bpf.BpfError, match="Several functions of the kernel are called"):
        attach_kprobe(either, name)


@pytest.mark.needs("kprobe")
def test_a_function_that_may_not_be_probed_says_so(either: KProbe) -> None:
    with pytest.raises(bpf.BpfError, match="Some functions may not be probed"):
        attach_kprobe(either, "get_kprobe")


# --- what cannot be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "options", "error", "match"),
    [
        ("", {}, ValueError, "function"),
        ("two words", {}, ValueError, "function"),
        ("line\n-:kprobes/x", {}, ValueError, "function"),
        ("a\0b", {}, ValueError, "NUL"),
        (None, {}, TypeError, "function"),
        ("f", {"offset": -1}, OverflowError, "offset"),
        ("f", {"offset": "1"}, TypeError, "offset"),
        ("f", {"cookie": 2**64}, OverflowError, "cookie"),
        ("f", {"cookie": True}, TypeError, "cookie"),
        ("f", {"cookie": 1, "attach_mode": 1}, ValueError, "only a link takes a cookie"),
        ("f", {"attach_mode": 9}, ValueError, "ProbeAttachMode"),
    ],
)
def test_an_argument_that_cannot_be_is_refused(
    program: KProbe, function: Any, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        attach_kprobe(program, function, **options)


def test_a_program_of_another_kind_is_refused(obj: bpf.Object, bpf_object: Find) -> None:
    with pytest.raises(bpf.ProgramTypeError, match="TRACE_KPROBE_MULTI, by another function"):
        attach_kprobe(obj.programs["many"], FUNCTION)
    with (
        bpf.Object.open(bpf_object("spine")) as spine,
        pytest.raises(bpf.ProgramTypeError, match="of type XDP, not KPROBE"),
    ):
        attach_kretprobe(spine.programs["pass"], FUNCTION)
    with pytest.raises(TypeError, match="a program is attached"):
        attach_kprobe(None, FUNCTION)  # type: ignore[arg-type]


@pytest.mark.needs("kprobe")
@pytest.mark.kernel("6.0", "sleepable uprobes")
def test_a_sleepable_program_is_for_uprobes(obj: bpf.Object) -> None:
    obj.program("on_entry", KProbe).flags = bpf.enums.ProgramFlags.SLEEPABLE
    obj.load()
    with pytest.raises(bpf.BpfError, match="takes no program here that is sleepable"):
        obj.program("on_entry", KProbe).attach()
