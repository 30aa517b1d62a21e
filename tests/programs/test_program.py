# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs: what they are, where they come from, pins, test runs, trampolines and probes."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.enums import AttachType, ProgramType
from pylibbpf.programs import FEntry, FExit, Iter, KProbe, KRetProbe, Program, RawTracePoint, Xdp
from pylibbpf.programs.kinds import KINDS, kind_of
from tests.conftest import eventually, eventually_unmoved, program_ids

Find = Callable[[str], Path]


@pytest.fixture
def spine(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/spine.bpf.c, loaded."""
    with bpf.Object.load_file(bpf_object("spine")) as obj:
        yield obj


# --- kinds ------------------------------------------------------------------------------


def test_every_kind_of_the_design_exists() -> None:
    names = """FEntry FExit FSession FModRet BtfTracePoint Iter Lsm LsmCgroup KProbe KRetProbe KSyscall
    KProbeMulti KProbeSession UProbe URetProbe UProbeMulti UProbeSession Usdt TracePoint RawTracePoint
    RawTracePointWritable
    PerfEvent Xdp SchedCls SchedAct
    Tcx Netkit SocketFilter SkMsg SkSkb SkLookup SkReuseport SockOps CgroupSkb
    CgroupSock CgroupSockAddr CgroupSockopt CgroupSysctl CgroupDevice FlowDissector Netfilter
    LircMode2 LwtIn LwtOut
    LwtXmit LwtSeg6Local Extension StructOps Syscall"""
    assert {kind.__name__ for kind in KINDS} == set(names.split())
    for name in names.split():
        assert issubclass(getattr(bpf.programs, name), Program)


def libbpf_sections() -> list[tuple[str, str]]:
    """The section prefixes of libbpf's own table (libbpf.c:section_defs)."""
    import re

    source = Path(__file__).parents[2] / "libbpf" / "src" / "libbpf.c"
    found = (
        re.findall(r'^\tSEC_DEF\("([^"]+)",\s*(\w+),', source.read_text(), re.M) if source.exists() else []
    )
    return [(section.rstrip("+"), type) for section, type in found]


@pytest.mark.host("reads libbpf's sources")
def test_every_section_of_libbpf_has_a_kind() -> None:
    sections = libbpf_sections()
    assert len(sections) > 90
    for section, type in sections:
        assert kind_of(ProgramType[type], 0, section + "/x") is not Program
        assert section in kind_of(ProgramType[type], 0, section)._sections, section


def test_an_unknown_section_is_decided_by_type_and_attach_type() -> None:
    assert kind_of(ProgramType.TRACING, AttachType.TRACE_FEXIT, "mine") is FExit
    assert kind_of(ProgramType.XDP, AttachType.XDP, "mine") is Xdp
    assert kind_of(ProgramType.KPROBE, 0, "mine") is KProbe
    assert kind_of(ProgramType(99), 0, "mine") is Program


# --- where they come from -----------------------------------------------------------------


@pytest.mark.needs("root", "vmlinux_btf")
def test_a_program_is_found_by_pin_id_fd_and_info(spine: bpf.Object, bpffs: Path) -> None:
    program = spine.program("tasks", Iter)
    program.pin(bpffs / "tasks")
    info = program.info()
    with (
        Iter.from_pin(bpffs / "tasks") as by_pin,
        Iter.from_id(program.id) as by_id,
        Iter.from_fd(program.fd) as by_fd,
        Iter.from_program_info(info, "a name longer than the kernel keeps") as by_info,
    ):
        assert {found.id for found in (by_pin, by_id, by_fd, by_info)} == {program.id}
        assert by_pin.name == "tasks"
        assert by_info.name == "a name longer than the kernel keeps"
        assert by_pin.expected_attach_type == AttachType.TRACE_ITER
        assert by_pin.pinned_path == str(bpffs / "tasks")
        by_pin.unpin()
        assert not (bpffs / "tasks").exists()
        spine.close()
        assert by_id.info().id == info.id
    eventually(lambda: info.id not in program_ids())
    with pytest.raises(FileNotFoundError):
        Iter.from_id(info.id)
    with pytest.raises(FileNotFoundError):
        Iter.from_program_info(info)


@pytest.mark.needs("root", "vmlinux_btf")
def test_a_program_of_another_type_is_refused(spine: bpf.Object) -> None:
    program = spine.programs["pass"]
    with pytest.raises(bpf.ProgramTypeError, match="is of type XDP, and Iter is TRACING"):
        Iter.from_id(program.id)
    with pytest.raises(bpf.ProgramTypeError):
        Iter.from_program_info(program.info())
    with Program.from_id(program.id) as plain:
        assert plain.type == ProgramType.XDP
        assert plain.expected_attach_type is None
        with pytest.raises(bpf.StateError, match="opened from the kernel"):
            plain.autoload


@pytest.mark.needs("root", "vmlinux_btf")
def test_info_tells_what_the_kernel_knows(spine: bpf.Object) -> None:
    info = spine.programs["raw_tracepoint"].info()
    assert info.type == ProgramType.RAW_TRACEPOINT
    assert info.name == "raw_tracepoint"
    assert info.created_by_uid == os.getuid()
    assert info.gpl_compatible
    assert len(info.tag) == 8
    assert info.translated_size > 0
    assert info.load_time_ns > 0
    assert spine.maps[".bss"].id in info.map_ids
    assert info.btf_id
    assert info.stats.run_count == 0


@pytest.mark.needs("root", "vmlinux_btf")
def test_instructions_are_those_of_libbpf(spine: bpf.Object) -> None:
    instructions = spine.programs["pass"].instructions
    # r0 = 2 (XDP_PASS); exit
    assert instructions == bytes.fromhex("b4000000020000009500000000000000")


@pytest.mark.needs("root", "vmlinux_btf")
def test_a_closed_program_leaves_its_object_alone(spine: bpf.Object) -> None:
    program = spine.program("raw_tracepoint", RawTracePoint)
    link = program.attach()
    id = program.id
    program.close()
    program.close()
    assert link.closed
    with pytest.raises(bpf.ClosedError):
        program.attach()
    with Program.from_id(id):  # still loaded: it is the object's
        pass
    assert spine.programs["tasks"].id


def test_a_misspelt_or_senseless_setting_is_refused(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("spine")) as obj:
        program = next(iter(obj.programs.values()))
        with pytest.raises(AttributeError, match="has no 'autolod' to set; did you mean 'autoload'"):
            program.autolod = False
        for setting in ("autoload", "autoattach"):
            with pytest.raises(TypeError, match=f"{setting} is True or False, not 'no'"):
                setattr(program, setting, "no")
        for setting in ("flags", "log_level"):
            with pytest.raises(TypeError, match=setting):
                setattr(program, setting, "1")
            with pytest.raises(OverflowError, match=setting):
                setattr(program, setting, 1 << 32)
        assert program.autoload
        assert program.autoattach
        assert program.log_level == program.flags == 0


@pytest.mark.needs("root", "vmlinux_btf")
def test_an_fd_is_close_on_exec_and_never_0_1_or_2(spine: bpf.Object) -> None:
    fd = spine.programs["tasks"].fd
    assert fd > 2
    assert not os.get_inheritable(fd)


# --- test runs ----------------------------------------------------------------------------


@pytest.mark.needs("root", "vmlinux_btf")
def test_a_test_run_gives_what_the_program_returned(spine: bpf.Object) -> None:
    packet = bytes(range(64))
    result = spine.programs["pass"].test_run(packet, repeat=3)
    assert result.return_value == 2
    assert result.data == packet


@pytest.mark.needs("root", "vmlinux_btf")
def test_a_test_run_takes_a_context_and_repeats(bpf_object: Find) -> None:
    with bpf.Object.load_file(bpf_object("runs")) as obj:
        program, runs = obj.programs["mark"], obj.variables["mark_runs"]
        # struct __sk_buff: `mark` stands behind two numbers of 32 bits.
        context = struct.pack("=8xI", 41).ljust(192, b"\0")
        result = program.test_run(bytes(64), context=context)
        assert result.return_value == 41
        assert struct.unpack_from("=8xI", result.context) == (42,)
        assert runs.value == 1
        start = time.monotonic_ns()
        result = program.test_run(bytearray(64), repeat=1000)
        elapsed = time.monotonic_ns() - start
        assert runs.value == 1001
        # Of one run, on average.
        assert 0 < result.duration_ns * 1000 <= elapsed
        with pytest.raises(TypeError):
            program.test_run("packet")


@pytest.mark.needs("root", "vmlinux_btf")
def test_a_test_run_that_the_kernel_refuses_is_an_error(spine: bpf.Object) -> None:
    with pytest.raises(bpf.BpfError, match="cannot run program 'tasks'"):
        spine.programs["tasks"].test_run(bytes(64))


# --- kinds that not every kernel can load ---------------------------------------------------


@pytest.mark.needs("root", "fentry")
def test_fentry_and_fexit_see_a_call_and_its_result(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("tracing")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        obj.load()
        counters = [obj.variables[name] for name in ("entries", "exits")]
        entry, exit = obj.program("on_entry", FEntry), obj.program("on_exit", FExit)
        links = [entry.attach(), exit.attach()]
        entry.test_run()  # runs bpf_fentry_test1(1), which adds 1 (net/bpf/test_run.c)
        assert [counter.value for counter in counters] == [1, 1]
        assert obj.variables["last_argument"].value == 1
        assert obj.variables["last_result"].value == 2
        for link in links:
            assert link.type == bpf.LinkType.TRACING
            link.close()
        eventually_unmoved(lambda: [counter.value for counter in counters], entry.test_run)


@pytest.mark.needs("root", "kprobe")
def test_kprobes_fire_and_end(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("kprobe")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        obj.load()
        counters = [obj.variables[name] for name in ("on_entry_runs", "on_return_runs")]
        entry = obj.program("on_entry", KProbe).attach()
        exit = obj.program("on_return", KRetProbe).attach()
        os.getpgid(0)
        assert [counter.value for counter in counters] == [1, 1]
        entry.close()
        exit.close()
        eventually_unmoved(lambda: [counter.value for counter in counters], lambda: os.getpgid(0))
