# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""PerfBuffer: typed events from the perf buffers of all CPUs (BPF_MAP_TYPE_PERF_EVENT_ARRAY, Linux 4.4)."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, overload

from .._native import call, lib
from ..enums import MapType
from ..errors import BpfError, MapTypeError
from ..maps import Map
from ..system import num_possible_cpus
from .lookup import TypeNames
from .reader import Reader
from .records import Places, Records, Refusal
from .statistics import PerfStatistics
from .types import records_of

if TYPE_CHECKING:
    import builtins
    import ctypes

    from .._libbpf import CData
    from ..btf import Btf

    Structure = TypeVar("Structure", bound=ctypes.Structure | ctypes.Union)

T = TypeVar("T")

_ONLINE = Path("/sys/devices/system/cpu/online")
# How often a reader that waits looks for CPUs that came or went, in seconds.
_LOOK = 1.0


class Lost(NamedTuple):
    """In the place of samples that found no space in the buffer of their CPU.

    Attributes:
        samples: how many.
    """

    samples: int


class PerfBuffer(Reader[tuple[int, T]]):
    """A reader of a perf event array: one buffer for each CPU, which bpf_perf_event_output writes.

    Iterating it waits for events, and yields each with the CPU that it came from, until the reader
    is closed; in asyncio it is `async for`::

        with bpf.PerfBuffer(obj.maps["events"], "struct event", lost=True) as events:
            for cpu, event in events:
                if isinstance(event, bpf.events.Lost):
                    print(event.samples, "lost on CPU", cpu)

    Events of one CPU come in the order in which they were written, notices of lost ones among them; there
    is no order between CPUs. In all else it is as RingBuffer, which is faster and loses less: prefer that
    one from Linux 5.8 on.

    A sample has up to seven bytes more than the program wrote: perf fills up to an 8-byte bound, and
    does not tell.

    CPUs that come online are taken up within a second, as long as somebody reads. For one that goes
    offline nothing is lost: what its buffer holds is read as ever.

    Args:
        map: a PERF_EVENT_ARRAY map. One element of it for each CPU is set, and cleared at close.
        type: what the samples are, as for RingBuffer.
        callback: what `poll` and `consume` call with each pair of CPU and event.
        pages: pages of each CPU's buffer, a power of two.
        wakeup_events: samples on one CPU that wake the reader. Fewer are seen within a second.
        wakeup_bytes: bytes on one CPU that wake the reader, instead.
        overwritable: new samples overwrite the oldest, and none is lost: a flight recorder. Each read
            gives what is new since the last one, the oldest first; the buffers stand still
            meanwhile, and programs that write then get -ENOENT.
        lost: notices of lost samples come among the events, as `Lost`; they are counted either way.
        discriminator: as for RingBuffer.
        tails: as for RingBuffer.
        cpus: the CPUs to read; by default all that are online, and those that come.
        btf: where to look up `type` instead.

    Raises:
        MapTypeError: the map is of another type.
        NameNotFoundError: there is no BTF type, or no discriminator, of that name.
        TypeError, ValueError: `type` is no type; a number makes no sense.
        StateError: the map is not created yet: its object is not loaded.
        BpfError: the kernel refused to open the buffers.

    libbpf: perf_buffer__new_raw, perf_buffer__consume_buffer. Kernel: 4.4; 4.7 for overwritable.
    """

    _kind = "perf buffer"

    @overload
    def __init__(
        self: PerfBuffer[bytes],
        map: Map,
        type: builtins.type[bytes] | None = None,
        callback: Callable[[tuple[int, bytes]], object] | None = None,
        *,
        pages: int = 64,
        wakeup_events: int = 1,
        wakeup_bytes: int = 0,
        overwritable: bool = False,
        lost: Literal[False] = False,
        cpus: Iterable[int] | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: PerfBuffer[Structure],
        map: Map,
        type: builtins.type[Structure],
        callback: Callable[[tuple[int, Structure]], object] | None = None,
        *,
        pages: int = 64,
        wakeup_events: int = 1,
        wakeup_bytes: int = 0,
        overwritable: bool = False,
        lost: Literal[False] = False,
        cpus: Iterable[int] | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: PerfBuffer[Any],
        map: Map,
        type: object = None,
        callback: Callable[[tuple[int, Any]], object] | None = None,
        *,
        pages: int = 64,
        wakeup_events: int = 1,
        wakeup_bytes: int = 0,
        overwritable: bool = False,
        lost: bool = False,
        discriminator: str | None = None,
        tails: bool = False,
        btf: Btf | None = None,
        cpus: Iterable[int] | None = None,
    ) -> None: ...
    def __init__(
        self,
        map: Map,
        type: object = None,
        callback: Callable[[tuple[int, Any]], object] | None = None,
        *,
        pages: int = 64,
        wakeup_events: int = 1,
        wakeup_bytes: int = 0,
        overwritable: bool = False,
        lost: bool = False,
        discriminator: str | None = None,
        tails: bool = False,
        cpus: Iterable[int] | None = None,
        btf: Btf | None = None,
    ) -> None:
        if not isinstance(map, Map):
            raise TypeError(f"a perf buffer reader takes a map, not {_name(map)}")
        if map.type != MapType.PERF_EVENT_ARRAY:
            raise MapTypeError(f"map '{map.name}' is of type {map.type.name}, not PERF_EVENT_ARRAY")
        if pages < 1 or pages & (pages - 1):
            raise ValueError(f"pages must be a power of two, not {pages}")
        _require_wakeup(wakeup_events, wakeup_bytes, pages)
        self._map_name = map.name
        with TypeNames([map], btf) as names:
            records = records_of(type, names, discriminator, tails)
        self._set_up(_WithCpus(records), callback)
        with map._fd_handle() as fd:
            count = min(num_possible_cpus(), map.max_entries)
            self._fixed = None if cpus is None else _chosen(cpus, count)
            self._open(lib.glue_perf_new, fd, count, pages, wakeup_events, wakeup_bytes, overwritable, lost)
        self._count = count
        self._online: frozenset[int] = frozenset()
        self._looked = 0.0
        try:
            self._take_up(frozenset(range(count)) & _online() if self._fixed is None else self._fixed)
        except BaseException:
            self._handle.close()
            raise

    @property
    def _subject(self) -> str:
        return f"'{self._map_name}'"

    def _source_name(self, source: int) -> str:
        return self._map_name

    @property
    def cpus(self) -> tuple[int, ...]:
        """The CPUs that have a buffer now."""
        with self._handle as reader:
            return tuple(cpu for cpu in range(self._count) if lib.glue_perf_is_open(reader, cpu))

    def statistics(self) -> PerfStatistics:
        """What the reader did so far, and what was lost.

        Raises:
            ClosedError: the reader is closed.
        """
        with self._handle as reader:
            return PerfStatistics(
                reader.events,
                self._short_records,
                self._unknown_records,
                self._lost(reader),
                self.cpus,
            )

    def _lost(self, reader: CData) -> dict[int, int]:
        lost = {cpu: lib.glue_reader_lost(reader, cpu) for cpu in range(self._count)}
        return {cpu: count for cpu, count in lost.items() if count}

    # --- CPUs that come and go -----------------------------------------------------------------

    def _before_wait(self, reader: CData) -> None:
        """Looks for CPUs that came, now and then: their buffers begin to exist when they are opened."""
        if self._fixed is not None or monotonic() - self._looked < _LOOK:
            return
        online = frozenset(range(self._count)) & _online()
        if online != self._online:
            self._alone(self._take_up, online)
        self._looked = monotonic()

    def _take_up(self, cpus: frozenset[int]) -> None:
        """Opens a buffer for each CPU that was not there before.

        One that was away and is back gets a new buffer: the kernel took the event off it. What
        the old one held was read, or else nobody would wait.
        """
        with self._handle as reader:
            for cpu in sorted(cpus - self._online):
                try:
                    call(
                        lib.glue_perf_open, reader, cpu,
                        operation=f"open the perf buffer of CPU {cpu} for map", subject=self._subject,
                    )  # fmt: skip
                except BpfError as error:
                    # It went offline between our look and the call.
                    if error.errno != errno.ENODEV or self._fixed is not None:
                        raise
                    cpus -= {cpu}
        self._online = cpus


class _WithCpus(Records[Any]):
    """Each event with its CPU; notices of lost samples in their place."""

    whole = True

    def __init__(self, records: Records[Any]) -> None:
        self.__dict__.update(name=records.name, least=records.least, stride=records.stride)
        self.capacity = records.capacity
        self._records = records

    def unpack(self, reader: CData, position: int) -> Sequence[Any]:
        events = self._records.unpack(reader, position)
        places = Places(reader, position)
        if not reader.notices:
            return list(zip(places.sources, events, strict=False))
        return [
            (cpu, Lost(lost) if lost else event)
            for cpu, lost, event in zip(places.sources, places.lost, events, strict=False)
        ]

    def refusal(self, reader: CData, position: int) -> Refusal:
        return self._records.refusal(reader, position)


def _name(value: object) -> str:
    return type(value).__name__


def _require_wakeup(events: int, size: int, pages: int) -> None:
    if events < 1:
        raise ValueError(f"wakeup_events is a number from 1 on, not {events}")
    if size and events != 1:
        raise ValueError("either wakeup_events or wakeup_bytes, not both")
    if not 0 <= size < pages * mmap.PAGESIZE:
        raise ValueError(f"wakeup_bytes must be below the {pages * mmap.PAGESIZE} of a buffer, not {size}")


def _chosen(cpus: Iterable[int], count: int) -> frozenset[int]:
    chosen = frozenset(cpus)
    for cpu in chosen:
        if not 0 <= cpu < count:
            raise ValueError(f"there is no CPU {cpu}: they are 0 to {count - 1}")
    if not chosen:
        raise ValueError("a perf buffer reader needs a CPU")
    return chosen


def _online() -> frozenset[int]:
    """The CPUs that are online, from the kernel's list: "0-3,5"."""
    found: set[int] = set()
    for part in _ONLINE.read_text().strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
