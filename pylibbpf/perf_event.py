# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Perf events that programs run on: timers, counters, breakpoints, for a CPU, a thread or a process.

libbpf attaches programs to perf events, and leaves it to its callers to open them.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ._native import ffi, lib, open_fd
from .enums import BreakpointType, HardwareEvent, ProgramType, SoftwareEvent
from .errors import BpfError, NotFoundError, NotSupportedError, PermissionDeniedError
from .link.create import raise_explained, require_program
from .link.multi import count
from .link.perf_event import attach_perf_event, require_number
from .permissions import perf_event_paranoid

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._libbpf import CData
    from .link import Link
    from .link.create import Attachable

# enum perf_type_id of linux/perf_event.h
_HARDWARE, _SOFTWARE, _RAW, _BREAKPOINT = 0, 1, 4, 5


@dataclass(frozen=True)
class Breakpoint:
    """A breakpoint of the CPU, on data or code at an `address`, of a thread or of the kernel.

    Attributes:
        address: of what is watched.
        length: how many bytes of it: 1, 2, 4 or 8.
        type: what the program runs on.
    """

    address: int
    length: int = 8
    type: BreakpointType = BreakpointType.WRITE


@dataclass(frozen=True)
class RawEvent:
    """An event as struct perf_event_attr has it, for what has no name here.

    Attributes:
        config: which event; for the CPU's counters what its manual says.
        type: whose: the number in /sys/bus/event_source/devices/NAME/type, by default the CPU's.
        config1: more of it, and
        config2: more again.
    """

    config: int
    type: int = _RAW
    config1: int = 0
    config2: int = 0


Event = SoftwareEvent | HardwareEvent | Breakpoint | RawEvent


def open_perf_event(
    event: Event,
    *,
    frequency: int | None = None,
    period: int | None = None,
    pid: int | None = None,
    cpu: int | None = None,
    inherit: bool = False,
) -> io.FileIO:
    """Opens a perf event, turned off: a program that is attached to it turns it on.

    Args:
        event: what happens.
        frequency: run the program about so many times a second; or
        period: run it every so many events, or nanoseconds of a clock; by default the kernel only counts.
        pid: one thread, by its id, 0 for the calling one; by default all.
        cpu: one CPU, by its number; by default all, which needs a pid.
        inherit: count also in the threads and processes that the thread starts from now on.

    Returns:
        A file: `read(8)` gives the count so far, in the machine's byte order.

    Raises:
        ValueError: both frequency and period, or neither pid nor cpu.
        NotSupportedError: this machine cannot count that.
        PermissionDeniedError: without CAP_PERFMON, where kernel.perf_event_paranoid wants it.
        BpfError: there is no such thread or CPU, or no breakpoint left.

    The kernel's perf_event_open(2).
    """
    attribute = _attribute(event, frequency, period)
    attribute.inherit = inherit
    if pid is None and cpu is None:
        raise ValueError("pid or cpu must say where")
    where = [words for number, words in ((pid, f"thread {pid}"), (cpu, f"CPU {cpu}")) if number is not None]
    try:
        handle = open_fd(
            lib.glue_perf_event_open,
            attribute,
            -1 if pid is None else require_number(pid, "pid", 31),
            -1 if cpu is None else require_number(cpu, "cpu", 31),
            operation=f"open a perf event of {' on '.join(where)}:",
            subject=f"{type(event).__name__}.{event.name}" if isinstance(event, Enum) else repr(event),
        )
    except BpfError as error:
        raise_explained(error, _explained(error, event, pid, cpu))
    return io.FileIO(handle.take(), "r")


def _attribute(event: Event, frequency: int | None, period: int | None) -> CData:
    """The event as glue.c takes it."""
    attribute = ffi.new("struct glue_perf_event *")
    if isinstance(event, Breakpoint):
        attribute.type, attribute.bp_type = _BREAKPOINT, BreakpointType(event.type)
        attribute.config1 = require_number(event.address, "address")
        attribute.config2 = require_number(event.length, "length")
    elif isinstance(event, RawEvent):
        attribute.type = require_number(event.type, "type", 32)
        attribute.config = require_number(event.config, "config")
        attribute.config1 = require_number(event.config1, "config1")
        attribute.config2 = require_number(event.config2, "config2")
    elif isinstance(event, (SoftwareEvent, HardwareEvent)):
        attribute.type = _SOFTWARE if isinstance(event, SoftwareEvent) else _HARDWARE
        attribute.config = event
    else:
        raise TypeError(
            f"an event is a SoftwareEvent, HardwareEvent, Breakpoint or RawEvent, not {type(event).__name__}"
        )
    if frequency is not None and period is not None:
        raise ValueError("either frequency or period says how often")
    attribute.by_frequency = frequency is not None
    attribute.sample = _positive(frequency if period is None else period)
    return attribute


def _positive(sample: int | None) -> int:
    if sample is None:
        return 0
    if require_number(sample, "frequency or period", 63) == 0:
        raise ValueError("frequency or period must be positive")
    return sample


def _explained(error: BpfError, event: Event, pid: int | None, cpu: int | None) -> BpfError:
    """What a refusal to open an event means."""
    number = error.errno
    if isinstance(error, PermissionDeniedError):
        error.hint = f"{error.hint} {perf_event_paranoid()}".strip()
    elif cpu is not None and cpu not in _online_cpus():
        error.hint = f"CPU {cpu} is not online, or there is none."
    elif isinstance(error, (NotFoundError, NotSupportedError)) or number in (errno.ENODEV, errno.ENXIO):
        return NotSupportedError(errno.EOPNOTSUPP, error.operation, error.subject, hint=_no_counter(event))
    elif number == errno.ESRCH:
        error.hint = f"There is no thread {pid}."
    elif number == errno.ENOSPC:
        error.hint = "The CPU has only a few breakpoints, and they are taken."
    elif number == errno.EINVAL:
        error.hint = (
            "A frequency is at most kernel.perf_event_max_sample_rate; what cannot interrupt the CPU takes "
            "neither frequency nor period; a breakpoint is aligned to its length."
        )
    return error


def _no_counter(event: Event) -> str:
    if isinstance(event, HardwareEvent) or (isinstance(event, RawEvent) and event.type == _RAW):
        return "This machine has no such hardware performance counter (PMU); few virtual machines have any."
    if isinstance(event, Breakpoint):
        return "This machine has no such breakpoints."
    return "This kernel has no such event."


class PerfEvents:
    """Perf events with a program attached to each, opened together and closed together.

    A context manager::

        with PerfEvents(program, SoftwareEvent.CPU_CLOCK, frequency=99):
            time.sleep(10)

    Args:
        program: a loaded `PerfEvent`, of any origin.
        event: what it runs on: `SoftwareEvent`, `HardwareEvent`, `Breakpoint` or `RawEvent`.
        frequency: run the program about so many times a second; or
        period: run it every so many events, or nanoseconds of a clock.
        pid: one process: all its threads, and those that they start from now on, with the
            processes that they start; 0 for this one. By default all that the CPUs run.
        cpus: the numbers of the CPUs, by default all that are online.
        cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).

    Attributes:
        links: the attached events, one for each CPU or thread.

    Raises:
        ValueError: not exactly one of frequency and period.
        ProgramTypeError: the program is of another type.
        NotSupportedError: this machine cannot count that, or this kernel has no cookies for it.
        PermissionDeniedError: without CAP_PERFMON, where kernel.perf_event_paranoid wants it.
        BpfError: there is no such process, or no breakpoint left. No event stays open then.

    The kernel's perf_event_open(2); libbpf: bpf_link_create, bpf_program__attach_perf_event_opts.
    """

    links: tuple[Link, ...]

    def __init__(
        self,
        program: Attachable,
        event: Event,
        *,
        frequency: int | None = None,
        period: int | None = None,
        pid: int | None = None,
        cpus: Iterable[int] | None = None,
        cookie: int = 0,
    ) -> None:
        self.links = ()
        require_program(program, ProgramType.PERF_EVENT)
        if (frequency is None) == (period is None):
            raise ValueError("either frequency or period says how often the program runs")
        with contextlib.ExitStack() as stack:
            links = []
            ended: BpfError | None = None
            for thread, cpu in _places(pid, cpus):
                try:
                    file = open_perf_event(
                        event, frequency=frequency, period=period, pid=thread, cpu=cpu,
                        inherit=pid is not None,
                    )  # fmt: skip
                except BpfError as error:
                    if error.errno != errno.ESRCH:
                        raise
                    # The thread has ended since it was listed.
                    ended = error
                    continue
                with file:
                    links.append(stack.enter_context(attach_perf_event(program, file, cookie=cookie)))
            if ended is not None and not links:
                raise ended
            stack.pop_all()
        self.links = tuple(links)

    def close(self) -> None:
        """Detaches the program and closes all events. Idempotent."""
        with contextlib.ExitStack() as stack:
            for link in self.links:
                stack.callback(link.close)

    @property
    def closed(self) -> bool:
        """Whether all are closed."""
        return all(link.closed for link in self.links)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<PerfEvents, {count(len(self.links), 'event')}{', closed' if self.closed else ''}>"


def _places(pid: int | None, cpus: Iterable[int] | None) -> list[tuple[int | None, int | None]]:
    """Thread and CPU of each event."""
    numbers: list[int | None] = (
        [*cpus] if cpus is not None else [None] if pid is not None else [*_online_cpus()]
    )
    if not numbers:
        raise ValueError("cpus must not be empty")
    threads = [None] if pid is None else _threads(require_number(pid, "pid", 31))
    return [(thread, cpu) for thread in threads for cpu in numbers]


def _threads(pid: int) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(f"/proc/{pid or os.getpid()}/task"))
    except FileNotFoundError:
        hint = f"There is no process {pid}."
        raise BpfError(errno.ESRCH, "open perf events of", f"process {pid}", hint=hint) from None


def _online_cpus() -> list[int]:
    """The CPUs that can run something: "0-3,5" in the kernel's words."""
    with open("/sys/devices/system/cpu/online") as file:
        ranges = [part.partition("-") for part in file.read().strip().split(",")]
    return [cpu for first, _, last in ranges for cpu in range(int(first), int(last or first) + 1)]
