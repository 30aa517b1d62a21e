# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on perf events."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf import PerfEvents, open_perf_event
from pylibbpf.enums import BreakpointType, HardwareEvent, PerfEventType, SoftwareEvent
from pylibbpf.link import Link, PerfEventLink, attach_perf_event
from pylibbpf.link.info import EventInfo, PerfEventInfo
from pylibbpf.perf_event import Breakpoint, RawEvent
from pylibbpf.programs import PerfEvent
from tests.conftest import ROOT, eventually, eventually_unmoved, eventually_unwritten, open_fds
from tests.link.harness import LinkConformance, older_than
from tests.link.places import on_one_cpu

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

Find = Callable[[str], Path]

FAULTS = SoftwareEvent.PAGE_FAULTS


def fault() -> None:
    """Makes one page fault at least."""
    with mmap.mmap(-1, mmap.PAGESIZE) as memory:
        memory[0] = 1


class TestPerfEvent(LinkConformance):
    object, program = "perf_event", "on_event"
    kind, link_class = PerfEvent, PerfEventLink
    link_since = "5.15"

    @pytest.fixture
    def where(self) -> Iterator[Any]:
        with open_perf_event(FAULTS, period=1, pid=0) as event:
            yield event

    def attach(self, program: Any, where: Any) -> Link:
        return attach_perf_event(program, where)

    def trigger(self, where: Any) -> None:
        fault()

    def check(self, info: Any, where: Any) -> None:
        if older_than("6.6"):
            assert type(info) is PerfEventInfo
            assert info.event_type is None
            return
        assert type(info) is EventInfo
        assert info.event_type == PerfEventType.EVENT
        assert (info.attribute_type, info.config) == (1, FAULTS)
        assert info.cookie == (None if older_than("6.9") else 0)


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/perf_event.bpf.c, not yet loaded, counting this process."""
    with bpf.Object.open(bpf_object("perf_event")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        yield obj


@pytest.fixture
def program(obj: bpf.Object) -> PerfEvent:
    obj.load()
    for name in ("on_event", "anywhere"):
        # Made when they are first asked for: no test shall seem to leak them.
        assert obj.programs[name].fd > 0
        assert obj.variables[f"{name}_runs"].value == 0
    return obj.program("on_event", PerfEvent)


@pytest.fixture(params=["object", "fd"])
def either(request: pytest.FixtureRequest, program: PerfEvent) -> Iterator[PerfEvent]:
    """A program of an object, and the same from the kernel."""
    if request.param == "object":
        yield program
        return
    with PerfEvent.from_fd(program.fd) as found:
        yield found


def own_threads() -> set[str]:
    return set(os.listdir("/proc/self/task"))


def is_one_for_each(events: PerfEvents, before: set[str], after: set[str]) -> bool:
    """Whether each thread has a link: those that come or go meanwhile, as pytest's watchdog, may have one."""
    return len(before & after) <= len(events.links) <= len(before | after)


def runs(obj: bpf.Object, call: Callable[[], object], name: str = "on_event") -> int:
    before = obj.variables[f"{name}_runs"].value
    call()
    return int(obj.variables[f"{name}_runs"].value - before)


# --- one event -----------------------------------------------------------------------------


def test_the_program_tracks_its_links(obj: bpf.Object, either: PerfEvent) -> None:
    with open_perf_event(FAULTS, period=1, pid=0) as event:
        for given in (event, event.fileno()):
            if older_than("5.15") and given is not event:
                break  # the event keeps its program
            link = either.attach(given)
            assert either.links == (link,)
            assert runs(obj, fault) > 0
            either.detach(link)
            eventually(lambda: runs(obj, fault) == 0)


@pytest.mark.needs("prepare")
def test_a_program_that_was_loaded_alone_attaches(obj: bpf.Object) -> None:
    program = obj.program("on_event", PerfEvent)
    program.load()
    with open_perf_event(FAULTS, period=1, pid=0) as event:
        program.attach(event)
        assert runs(obj, fault) > 0


def test_the_event_may_be_closed_then(obj: bpf.Object, either: PerfEvent) -> None:
    fds = open_fds()
    with open_perf_event(FAULTS, period=1, pid=0) as event:
        link = attach_perf_event(either, event)
    assert runs(obj, fault) > 0
    assert not any(os.get_inheritable(fd) for fd in open_fds().keys() - fds.keys())
    link.close()
    eventually(lambda: runs(obj, fault) == 0)
    assert open_fds() == fds


def test_an_event_takes_one_program(either: PerfEvent) -> None:
    with open_perf_event(FAULTS, period=1, pid=0) as event, attach_perf_event(either, event):
        fds = open_fds()
        with pytest.raises(bpf.ExistsError, match="The event has a program already"):
            attach_perf_event(either, event)
        assert open_fds() == fds


def test_what_is_no_event_is_refused(program: PerfEvent) -> None:
    with open("/proc/self/stat") as file, pytest.raises(TypeError, match=r"'/proc/.*', not of a perf event"):
        attach_perf_event(program, file)
    with pytest.raises(bpf.BpfError, match="EBADF"):
        attach_perf_event(program, 10**6)
    for wrong, error in ((-1, ValueError), ("fd", TypeError), (None, TypeError)):
        with pytest.raises(error):
            attach_perf_event(program, wrong)  # type: ignore[arg-type]


def test_a_cookie_reaches_the_program_or_the_kernel_says_since_when(obj: bpf.Object) -> None:
    program = obj.program("with_cookie", PerfEvent)
    if older_than("5.15"):
        obj.load()
        with (
            open_perf_event(FAULTS, period=1, pid=0) as event,
            pytest.raises(bpf.NotSupportedError, match=r"came with Linux 5\.15"),
        ):
            obj.program("on_event", PerfEvent).attach(event, cookie=1)
        return
    program.autoload = True
    obj.load()
    with PerfEvent.from_fd(program.fd) as found:
        for cookie, origin in ((2**64 - 1, program), (5, found)):
            with PerfEvents(origin, FAULTS, period=1, pid=0, cookie=cookie) as events:
                fault()
                assert obj.variables["cookie"].value == cookie
                if not older_than("6.9"):
                    assert events.links[0].info().cookie == cookie  # type: ignore[attr-defined]
            eventually_unwritten(obj.variables["cookie"], fault)


def test_an_event_counts_without_a_program() -> None:
    # Nobody turns it on.
    with open_perf_event(FAULTS, pid=0) as event:
        fault()
        assert event.read(8) == bytes(8)
        assert not os.get_inheritable(event.fileno())


# --- events together -----------------------------------------------------------------------


def test_a_period_counts_events(obj: bpf.Object, either: PerfEvent) -> None:
    def hundred_faults() -> None:
        with mmap.mmap(-1, 100 * mmap.PAGESIZE) as memory:
            if hasattr(mmap, "MADV_NOHUGEPAGE"):
                memory.madvise(mmap.MADV_NOHUGEPAGE)
            for page in range(100):
                memory[page * mmap.PAGESIZE] = 1

    with PerfEvents(either, FAULTS, period=10, pid=0) as events:
        assert 10 <= runs(obj, hundred_faults) < 50
    eventually(lambda: runs(obj, hundred_faults) == 0)
    events.close()


def test_a_frequency_runs_it_on_every_cpu(obj: bpf.Object, either: PerfEvent) -> None:
    online = os.sysconf("SC_NPROCESSORS_ONLN")
    fds = open_fds()
    program = obj.program("anywhere", PerfEvent)
    with PerfEvents(program, SoftwareEvent.CPU_CLOCK, frequency=99) as events:
        assert len(events.links) == online
        assert {type(link) for link in events.links} == {PerfEventLink}
        counter = obj.variables["anywhere_runs"]
        before = counter.value
        eventually(lambda: counter.value > before + 5)
    assert open_fds() == fds
    eventually_unmoved(lambda: counter.value, lambda: work_for(0.1))


def work_for(seconds: float) -> None:
    """Keeps the CPU busy, on which a clock's event would fire several times."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_cpus_limit_it(obj: bpf.Object, either: PerfEvent) -> None:
    with on_one_cpu() as cpu, PerfEvents(either, FAULTS, period=1, cpus=[cpu]) as events:
        assert len(events.links) == 1
        assert repr(events) == "<PerfEvents, 1 event>"
        assert runs(obj, fault) > 0
    assert repr(events) == "<PerfEvents, 1 event, closed>"
    before = own_threads()
    with PerfEvents(either, FAULTS, period=1, pid=0, cpus=[cpu]) as events:
        assert is_one_for_each(events, before, own_threads())


def test_a_process_is_all_its_threads_and_what_they_start(obj: bpf.Object, program: PerfEvent) -> None:
    go, done = threading.Event(), threading.Event()

    def older() -> None:
        go.wait()
        fault()
        done.set()

    thread = threading.Thread(target=older)
    thread.start()

    def faults_of_older() -> None:
        go.set()
        thread.join()

    def faults_of_younger() -> None:
        younger = threading.Thread(target=fault)
        younger.start()
        younger.join()

    before = own_threads()
    with PerfEvents(program, FAULTS, period=1, pid=os.getpid()) as events:
        assert is_one_for_each(events, before, own_threads())
        assert runs(obj, faults_of_older) > 0
        assert done.is_set()
        assert runs(obj, faults_of_younger) > 0


def test_another_process_is_told_apart(obj: bpf.Object, program: PerfEvent) -> None:
    script = "print(flush=True); input(); bytearray(1 << 24); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin
        assert other.stdout
        other.stdout.readline()
        with PerfEvents(obj.programs["anywhere"], FAULTS, period=1, pid=other.pid):
            # Not on its way from print() to input().
            other.send_signal(signal.SIGSTOP)
            os.waitpid(other.pid, os.WUNTRACED)
            assert runs(obj, fault, "anywhere") == 0
            other.send_signal(signal.SIGCONT)
            before = obj.variables["anywhere_runs"].value
            other.stdin.write(b"\n")
            other.stdin.flush()
            other.stdout.readline()
            assert obj.variables["anywhere_runs"].value > before
        other.communicate(b"\n")


def test_a_breakpoint_watches_memory(obj: bpf.Object, either: PerfEvent) -> None:
    value = ctypes.c_uint64(0)
    address = ctypes.addressof(value)

    def write() -> None:
        value.value = 3

    for type in (BreakpointType.WRITE, BreakpointType.READ | BreakpointType.WRITE):
        with PerfEvents(either, Breakpoint(address, 8, type), period=1, pid=0):
            assert runs(obj, write) >= 1
        eventually(lambda: runs(obj, write) == 0)


def test_a_raw_event_is_what_the_kernel_numbers(obj: bpf.Object, either: PerfEvent) -> None:
    with PerfEvents(either, RawEvent(FAULTS, type=1), period=1, pid=0):
        assert runs(obj, fault) > 0


def test_closed_events_stay_closed(program: PerfEvent) -> None:
    fds = open_fds()
    events = PerfEvents(program, FAULTS, period=1, pid=0)
    states = [events.closed]
    for _ in range(2):
        events.close()
        states.append(events.closed)
    assert states == [False, True, True]
    assert open_fds() == fds


# --- what is not there ---------------------------------------------------------------------


@pytest.mark.needs("no_pmu")
@pytest.mark.parametrize("event", [HardwareEvent.CPU_CYCLES, RawEvent(0x3C)])
def test_a_machine_without_a_pmu_says_so(program: PerfEvent, event: Any) -> None:
    fds = open_fds()
    with pytest.raises(bpf.NotSupportedError, match=r"no such hardware performance counter \(PMU\)"):
        PerfEvents(program, event, frequency=99)
    assert open_fds() == fds


@pytest.mark.needs("pmu")
def test_a_pmu_counts(obj: bpf.Object, program: PerfEvent) -> None:
    with PerfEvents(obj.programs["anywhere"], HardwareEvent.CPU_CYCLES, frequency=99):
        counter = obj.variables["anywhere_runs"]
        eventually(lambda: bool(counter.value))


def test_an_event_that_the_kernel_does_not_have_says_so(program: PerfEvent) -> None:
    with pytest.raises(bpf.NotSupportedError, match="This kernel has no such event"):
        PerfEvents(program, RawEvent(0, type=2**31), period=1)


def test_a_process_or_cpu_that_is_not_there_is_named(program: PerfEvent) -> None:
    fds = open_fds()
    with pytest.raises(bpf.BpfError, match="no process 2147483647"):
        PerfEvents(program, FAULTS, period=1, pid=2**31 - 1)
    with pytest.raises(bpf.BpfError, match="no thread 2147483647"):
        open_perf_event(FAULTS, period=1, pid=2**31 - 1)
    with pytest.raises(bpf.BpfError, match="CPU 100000 is not online"):
        PerfEvents(program, FAULTS, period=1, cpus=[0, 100000])
    assert open_fds() == fds


@pytest.mark.host("needs threads that come and go quickly")
def test_threads_that_end_meanwhile_are_left_out(program: PerfEvent) -> None:
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            threads = [threading.Thread(target=lambda: None) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    churning = threading.Thread(target=churn)
    churning.start()
    try:
        for _ in range(100):
            with PerfEvents(program, FAULTS, period=1000, pid=0) as events:
                assert len(events.links) >= 2
    finally:
        done.set()
        churning.join()


def test_too_high_a_frequency_says_so(program: PerfEvent) -> None:
    with pytest.raises(bpf.BpfError, match=r"kernel\.perf_event_max_sample_rate"):
        PerfEvents(program, SoftwareEvent.CPU_CLOCK, frequency=10**9)


def test_breakpoints_run_out(program: PerfEvent) -> None:
    values = (ctypes.c_uint64 * 20)()
    opened: list[PerfEvents] = []

    def open_all() -> None:
        for index in range(20):
            place = Breakpoint(ctypes.addressof(values) + 8 * index)
            opened.append(PerfEvents(program, place, period=1, pid=0))

    try:
        with pytest.raises(bpf.BpfError, match="only a few breakpoints"):
            open_all()
    finally:
        for events in opened:
            events.close()


NOBODY = """
import os, sys
import pylibbpf as bpf
from pylibbpf import open_perf_event
from pylibbpf.enums import SoftwareEvent
bpf.PermissionDeniedError
os.setresuid(65534, 65534, 65534)  # drops every capability
try:
    open_perf_event(SoftwareEvent.CPU_CLOCK, frequency=99, cpu=0)
except bpf.PermissionDeniedError as error:
    print(error)
"""


def test_without_rights_the_sysctl_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOBODY], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "kernel.perf_event_paranoid is " in done.stdout, done.stderr
    assert "CAP_PERFMON" in done.stdout


# --- what cannot be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "options", "error", "match"),
    [
        (FAULTS, {}, ValueError, "either frequency or period"),
        (FAULTS, {"frequency": 1, "period": 1}, ValueError, "either frequency or period"),
        (FAULTS, {"period": 0}, ValueError, "positive"),
        (FAULTS, {"period": 2**64}, OverflowError, "period"),
        (FAULTS, {"frequency": 1.5}, TypeError, "frequency"),
        (FAULTS, {"period": 1, "pid": -1}, OverflowError, "pid"),
        (FAULTS, {"period": 1, "cpus": []}, ValueError, "cpus must not be empty"),
        (FAULTS, {"period": 1, "cpus": [-1]}, OverflowError, "cpu"),
        (FAULTS, {"period": 1, "cpus": ["0"]}, TypeError, "cpu"),
        (2, {"period": 1}, TypeError, "an event is"),
        ("page-faults", {"period": 1}, TypeError, "an event is"),
        (Breakpoint(-1), {"period": 1, "pid": 0}, OverflowError, "address"),
        (RawEvent(2**64), {"period": 1}, OverflowError, "config"),
        (FAULTS, {"period": 1, "pid": 0, "cookie": -1}, OverflowError, "cookie"),
    ],
)
def test_an_argument_that_cannot_be_is_refused(
    program: PerfEvent, event: Any, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    fds = open_fds()
    with pytest.raises(error, match=match):
        PerfEvents(program, event, **options)
    assert open_fds() == fds


def test_an_event_is_of_a_thread_or_a_cpu() -> None:
    with pytest.raises(ValueError, match="pid or cpu must say where"):
        open_perf_event(FAULTS, period=1)
    with pytest.raises(ValueError, match="either frequency or period"):
        open_perf_event(FAULTS, period=1, frequency=1, pid=0)


def test_a_program_of_another_kind_is_refused(bpf_object: Find) -> None:
    with (
        bpf.Object.open(bpf_object("spine")) as spine,
        pytest.raises(bpf.ProgramTypeError, match="of type XDP, not PERF_EVENT"),
    ):
        PerfEvents(spine.programs["pass"], FAULTS, period=1)
    with pytest.raises(TypeError, match="a program is attached"):
        PerfEvents(None, FAULTS, period=1)  # type: ignore[arg-type]


@pytest.mark.host("libbpf's copy of the kernel's header is not in the guests")
@pytest.mark.parametrize(("name", "enum"), [("perf_sw_ids", SoftwareEvent), ("perf_hw_id", HardwareEvent)])
def test_the_numbers_are_the_kernels(name: str, enum: type[IntEnum]) -> None:
    header = (ROOT / "libbpf/include/uapi/linux/perf_event.h").read_text()
    body = header.partition(f"enum {name} {{")[2].partition("}")[0]
    numbers = re.findall(r"\bPERF_COUNT_[SH]W_(\w+)\s*= (\d+),", body)
    assert {name: int(number) for name, number in numbers} == {
        name: member.value for name, member in enum.__members__.items()
    }
