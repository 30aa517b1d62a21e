# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""RingBuffer: typed events from ring buffer maps (BPF_MAP_TYPE_RINGBUF, Linux 5.8)."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable, Mapping
from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .._native import lib
from ..enums import MapType
from ..errors import MapTypeError, NotSupportedError, StateError
from ..maps import Map
from .lookup import TypeNames
from .reader import Reader
from .statistics import RingState, RingStatistics, dropped_count
from .types import records_of

if TYPE_CHECKING:
    import ctypes
    import struct

    import numpy

    from .._libbpf import CData
    from ..btf import Btf
    from ..btf.types import Type
    from ..maps import Variable
    from .lease import Lease, MappedRing

    Structure = TypeVar("Structure", bound=ctypes.Structure | ctypes.Union)

T = TypeVar("T")


class RingBuffer(Reader[T]):
    """A reader of one or several ring buffer maps.

    Iterating it waits for events and yields them, until the reader is closed; in asyncio it
    is `async for`::

        with bpf.RingBuffer(obj.maps["events"], "struct event") as events:
            for event in events:
                print(event.pid, event.comm)

    Events of one map come in the order in which their programs reserved them; there is no order
    between maps. An event owns its memory: it stays as it is when the ring is written
    again and when the reader is closed. Events that are drained together share a buffer
    of at most 256 KiB; `type(event).from_buffer_copy(event)` makes one that stands alone.

    A record that is larger than its type gives the event that its first bytes are, and with
    `tails` the rest beside it. One that is smaller raises `ShortRecordError` in its place in the
    order, and reading may go on behind it.

    Records of several types in one ring are told apart by a field that they share::

        bpf.RingBuffer(map, {1: "struct opened", 2: "struct closed"}, discriminator="kind")

    It may be used from several threads: each record goes to one of them. A ring has one
    position, so two readers of the same map, here or in another process, take records from
    each other and may then read nonsense.

    Ctrl-C and other signals end or interrupt every wait as in the rest of Python. After a
    fork the child cannot read; `close()` there closes the child's fds only.

    Args:
        maps: a RINGBUF map, or several.
        type: what the records are: the name of a BTF type ("struct event"), looked up in the
            types of the maps' object and then in those of the kernel; a BTF type; a class
            derived from ctypes.Structure or ctypes.Union; a NumPy dtype (`Btf.to_dtype` makes one
            of a BTF type); a struct.Struct, or its format with the byte order in front, for tuples
            ("=QI4x16s"); None or bytes for whole records as bytes, memoryview for views of
            one copy; or a mapping of these by the value of the discriminator, where None
            stands for all other values. Of a BTF enum the enumerators' names may be given.
        callback: what `poll` and `consume` call with each event.
        discriminator: the field that tells the types of a mapping apart, "kind" or "header.kind".
            It must be at the same place in all of them.
        tails: events come as pairs of the event and the bytes behind its type: for records that end
            in an array of variable length.
        dropped: where the program counts events that found no space, for `statistics`: a
            variable, or a function that returns the number.
        behind: called with the `statistics` when a read finds a ring fuller than `behind_at`, or more
            events dropped than before; again once it was below. On the reading thread,
            before the events are handed out.
        behind_at: how full that is, from 0 to 1.
        btf: where to look up `type` instead.

    Raises:
        MapTypeError: a map is of another type.
        NameNotFoundError: there is no BTF type, or no discriminator, of that name.
        TypeError, ValueError: `type` is no type, or one without bytes.
        StateError: a map is not created yet: its object is not loaded.
        BpfError: the kernel refused to map the ring.

    libbpf: ring_buffer__new, ring_buffer__consume. Kernel: kernel/bpf/ringbuf.c, 5.8.
    """

    _kind = "ring buffer"

    @overload
    def __init__(
        self: RingBuffer[bytes],
        maps: Map | Iterable[Map],
        type: type[bytes] | None = None,
        callback: Callable[[bytes], object] | None = None,
        *,
        dropped: Variable | Callable[[], int] | None = None,
        behind: Callable[[RingStatistics], object] | None = None,
        behind_at: float = 0.75,
    ) -> None: ...
    @overload
    def __init__(
        self: RingBuffer[memoryview],
        maps: Map | Iterable[Map],
        type: type[memoryview],
        callback: Callable[[memoryview], object] | None = None,
        *,
        dropped: Variable | Callable[[], int] | None = None,
        behind: Callable[[RingStatistics], object] | None = None,
        behind_at: float = 0.75,
    ) -> None: ...
    @overload
    def __init__(
        self: RingBuffer[Structure],
        maps: Map | Iterable[Map],
        type: type[Structure],
        callback: Callable[[Structure], object] | None = None,
        *,
        dropped: Variable | Callable[[], int] | None = None,
        behind: Callable[[RingStatistics], object] | None = None,
        behind_at: float = 0.75,
    ) -> None: ...
    @overload
    def __init__(
        self: RingBuffer[Any],
        maps: Map | Iterable[Map],
        type: str | Type | struct.Struct | numpy.dtype[Any] | Mapping[Any, Any] | type[Any],
        callback: Callable[[Any], object] | None = None,
        *,
        discriminator: str | None = None,
        tails: bool = False,
        dropped: Variable | Callable[[], int] | None = None,
        behind: Callable[[RingStatistics], object] | None = None,
        behind_at: float = 0.75,
        btf: Btf | None = None,
    ) -> None: ...
    def __init__(
        self,
        maps: Map | Iterable[Map],
        type: object = None,
        callback: Callable[[Any], object] | None = None,
        *,
        discriminator: str | None = None,
        tails: bool = False,
        dropped: Variable | Callable[[], int] | None = None,
        behind: Callable[[RingStatistics], object] | None = None,
        behind_at: float = 0.75,
        btf: Btf | None = None,
    ) -> None:
        self._maps = _ring_maps(maps)
        self._map_names = [map.name for map in self._maps]
        if not 0 < behind_at <= 1:
            raise ValueError(f"behind_at is a share of the ring, from 0 to 1, not {behind_at}")
        self._dropped = dropped_count(dropped)
        self._behind = behind
        self._behind_at = behind_at
        # The last batch that was looked at, whether it was behind then, and what was dropped till then.
        self._looked_at: tuple[int, bool, int] = (0, False, 0)
        self._lease: Lease | None = None
        self._mapped: dict[int, MappedRing] = {}
        self._next_leased = 0
        with TypeNames(self._maps, btf) as names:
            self._set_up(records_of(type, names, discriminator, tails), callback)
        with contextlib.ExitStack() as stack:
            fds = [stack.enter_context(map._fd_handle()) for map in self._maps]
            self._open(lib.glue_ring_new, fds, len(fds))
        self._sizes = [map.max_entries for map in self._maps]

    @property
    def _subject(self) -> str:
        return ", ".join(f"'{name}'" for name in self._map_names)

    def _source_name(self, source: int) -> str:
        return self._map_names[source]

    # --- what is in the rings ---------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes of all rings together."""
        return sum(self._sizes)

    @property
    def available(self) -> int:
        """Bytes that wait in all rings together, headers and discarded records included.

        Raises:
            ClosedError: the reader is closed.
            NotSupportedError: the libbpf in use is older than 1.3.

        libbpf: ring__avail_data_size.
        """
        return sum(ring.available for ring in self.rings)

    @property
    def rings(self) -> tuple[RingState, ...]:
        """The rings as they are now, in the order in which the maps were given.

        Raises:
            ClosedError: the reader is closed.
            NotSupportedError: the libbpf in use is older than 1.3.

        libbpf: ring_buffer__ring, ring__consumer_pos, ring__producer_pos.
        """
        self._handle.require_own_process()
        with self._handle as reader:
            return tuple(self._state(reader, index) for index in range(len(self._maps)))

    def _state(self, reader: CData, index: int) -> RingState:
        ring = lib.ring_buffer__ring(lib.glue_reader_ring(reader, index), 0)
        if not ring:
            raise NotSupportedError(
                errno.EOPNOTSUPP, "read the positions of", self._subject, hint="It needs libbpf 1.3."
            )
        # In this order, so that the difference is never negative.
        consumer = lib.ring__consumer_pos(ring)
        producer = lib.ring__producer_pos(ring)
        return RingState(
            self._map_names[index],
            self._sizes[index],
            producer - consumer,
            lib.glue_reader_most(reader, index),
            consumer,
            producer,
        )

    def statistics(self) -> RingStatistics:
        """What the reader did so far, and how full the rings are and were.

        Raises:
            ClosedError: the reader is closed.
            NotSupportedError: the libbpf in use is older than 1.3.
        """
        with self._handle as reader:
            return RingStatistics(
                reader.events,
                self._short_records,
                self._unknown_records,
                self._dropped() if self._dropped is not None else None,
                self.rings,
            )

    def _after_drain(self, reader: CData) -> None:
        if self._behind is None or reader.batch == self._looked_at[0]:
            return
        _, was_behind, dropped_before = self._looked_at
        full = max(lib.glue_reader_waiting(reader, index) / size for index, size in enumerate(self._sizes))
        dropped = self._dropped() if self._dropped is not None else 0
        is_behind = full >= self._behind_at
        self._looked_at = reader.batch, is_behind, dropped
        if (is_behind and not was_behind) or dropped > dropped_before:
            self._behind(self.statistics())

    # --- leases -------------------------------------------------------------------------------

    def lease(self, *, timeout: float | None = None) -> Lease:
        """Waits until there are records, and lends those of one ring where they lie, without a copy::

            with reader.lease() as lease:
                for view in lease:
                    total += view[0]
                lease.commit()

        While it is open, nothing can be read in another way, and programs cannot
        overwrite what it has. On `commit` its views end, so that none shows what was
        written there later.

        Args:
            timeout: seconds to wait at most; 0 for not at all, None for without end.

        Returns:
            A sequence of memoryviews; empty after the timeout. For several maps, they take turns.

        Raises:
            StateError: a lease is open, drained events are not all taken, or this is a forked child.
            ClosedError: the reader is closed, also by another thread during the wait.
            BpfError: the kernel refused to map the ring.

        Kernel: kernel/bpf/ringbuf.c, 5.8.
        """
        from .waiting import deadline_of

        lease: Lease | None = self._read(deadline_of(timeout), self._take_lease, False)
        if lease is None:
            with self._handle as reader:
                lease = self._alone(self._take_lease, reader, True)
        assert lease is not None
        return lease

    def _take_lease(self, reader: CData, empty: bool) -> Lease | None:
        from .lease import Lease, MappedRing, refuse_length

        self._require_no_lease()
        number, position, events = self._batch
        if length_hint(events) or number != reader.batch or position < reader.count:
            raise StateError(f"this {self._handle.what} has events that were drained: take them first")
        for _ in self._maps:
            index = self._next_leased
            ring = self._mapped.get(index)
            if ring is None:
                ring = self._mapped[index] = MappedRing(self._maps[index], self._sizes[index])
            found = ring.peek()
            if found.count or empty:
                lease = self._lease = Lease(self, ring, self._map_names[index])
                self._next_leased = (index + 1) % len(self._maps)
                if self._handle.closed:  # meanwhile, by another thread
                    self._mapped, self._lease = {}, None
                return lease
            if found.error:
                raise refuse_length(self._map_names[index])
            # Discarded records, which nobody wants.
            lib.glue_lease_commit(ring.consumer_page, found.end)
            self._next_leased = (index + 1) % len(self._maps)
        return None

    def close(self) -> None:
        super().close()
        # The mappings have fds of their own, and a closed reader lends no more. A lease keeps what it lent.
        self._mapped, self._lease = {}, None

    close.__doc__ = Reader.close.__doc__

    def _require_no_lease(self) -> None:
        lease = self._lease  # another thread's close() takes it away
        if lease is not None:
            from .lease import require_over

            require_over(lease, self._handle.what)
            self._lease = None

    def _commit(self, lease: Lease, end: int) -> None:
        """Moves the consumer's position for the lease that is open."""
        self._handle.require_own_process()
        with self._handle:
            lib.glue_lease_commit(lease._ring.consumer_page, end)

    def _unpack(self, reader: CData) -> Any:
        self._require_no_lease()
        return super()._unpack(reader)

    def _take_into(self, reader: CData, target: Any, taken: list[int]) -> Any:
        self._require_no_lease()
        return super()._take_into(reader, target, taken)


def _ring_maps(maps: Map | Iterable[Map]) -> list[Map]:
    several = [maps] if isinstance(maps, Map) else list(maps)
    if not several:
        raise ValueError("a ring buffer reader needs a map")
    for map in several:
        if not isinstance(map, Map):
            raise TypeError(f"a ring buffer reader takes maps, not {type(map).__name__}")
        if map.type != MapType.RINGBUF:
            raise MapTypeError(f"map '{map.name}' is of type {map.type.name}, not RINGBUF")
    return several
