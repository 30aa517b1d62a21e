# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""RingBuffer: typed events from ring buffer maps (BPF_MAP_TYPE_RINGBUF, Linux 5.8).

How a record gets to Python
---------------------------
`glue_ring_drain` copies what the rings have into a batch of its own, in one call
that does not wait and calls no Python. The batch becomes a list of events in one
step, and an iterator over that list is the only thing that knows which event is
next. Two facts are kept so that no exception of a signal handler loses or repeats
a record, wherever it cuts in: the number of the drained batch, in C, and the pair
of the number of the unpacked batch and its iterator, stored at once.

Waiting is Python's: `select.poll` on the reader's epoll fd and on an eventfd that
`close` makes readable, without any lock.
"""

from __future__ import annotations

import contextlib
import os
import select
import warnings
from _thread import RLock
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from operator import length_hint
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .._native import Handle, create, ffi, lib
from ..enums import MapType
from ..errors import ClosedError, FormatError, MapTypeError, StateError
from ..maps import Map
from .records import BATCH_BYTES, Records, ShortRecordError, records_of

if TYPE_CHECKING:
    import ctypes
    from types import TracebackType

    from typing_extensions import Self

    from .._libbpf import CData
    from ..btf import Btf
    from ..btf.types import Type

    Structure = TypeVar("Structure", bound=ctypes.Structure | ctypes.Union)

T = TypeVar("T")

# The longest single wait, in seconds. A signal that arrives after Python's last look at signals and
# before the system call does not interrupt it: its handler runs when this is over. And records that
# are written without a wakeup keep the kernel from sending one for those behind them.
_LONGEST_WAIT = 1.0
# How long to leave a ring alone that twice said it is readable and then had no record.
_PAUSE = 0.001


class RingBuffer(Generic[T]):
    """A reader of one or several ring buffer maps.

    Iterating it waits for events and yields them, until the reader is closed:

        with bpf.RingBuffer(obj.maps["events"], "struct event") as events:
            for event in events:
                print(event.pid, event.comm)

    Events of one map come in the order in which their programs reserved them; there is no order
    between maps. An event owns its memory: it stays as it is when the ring is written
    again and when the reader is closed. Events that are drained together share a buffer
    of at most 256 KiB; `type(event).from_buffer_copy(event)` makes one that stands alone.

    A record that is larger than its type gives the event that its first bytes are. One that is
    smaller raises `ShortRecordError` in its place in the order, and reading may go on behind it.

    It may be used from several threads: each record goes to one of them. A ring has one
    position, so two readers of the same map, here or in another process, take records from
    each other and may then read nonsense.

    Ctrl-C and other signals end or interrupt every wait as in the rest of Python. After a
    fork the child cannot read; `close()` there closes the child's fds only.

    Args:
        maps: a RINGBUF map, or several.
        type: what the records are: the name of a BTF type ("struct event"), looked up in the
            types of the maps' object and then in those of the kernel; a BTF type; a class
            derived from ctypes.Structure or ctypes.Union; None for whole records as bytes.
        callback: what `poll` and `consume` call with each event.
        btf: where to look up `type` instead.

    Raises:
        MapTypeError: a map is of another type.
        NameNotFoundError: there is no BTF type of that name.
        TypeError, ValueError: `type` is no type, or one without bytes.
        StateError: a map is not created yet: its object is not loaded.
        BpfError: the kernel refused to map the ring.

    libbpf: ring_buffer__new, ring_buffer__consume. Kernel: kernel/bpf/ringbuf.c, 5.8.
    """

    @overload
    def __init__(
        self: RingBuffer[bytes],
        maps: Map | Iterable[Map],
        type: None = None,
        callback: Callable[[bytes], object] | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: RingBuffer[Structure],
        maps: Map | Iterable[Map],
        type: type[Structure],
        callback: Callable[[Structure], object] | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: RingBuffer[Any],
        maps: Map | Iterable[Map],
        type: str | Type,
        callback: Callable[[Any], object] | None = None,
        *,
        btf: Btf | None = None,
    ) -> None: ...
    def __init__(
        self,
        maps: Map | Iterable[Map],
        type: object = None,
        callback: Callable[[Any], object] | None = None,
        *,
        btf: Btf | None = None,
    ) -> None:
        maps = _ring_maps(maps)
        self._map_names = [map.name for map in maps]
        self._records: Records[T] = records_of(type, _btfs(maps) if btf is None else [btf])
        self._callback = callback
        # Two threads drain one after the other. Reentrant, so that a signal handler that reads
        # on the thread that is reading finds `_draining` and not a deadlock.
        self._lock = RLock()
        self._draining = False
        self._batch: tuple[int, Iterator[T]] = (0, iter(()))
        self._short_records = 0
        with contextlib.ExitStack() as stack:
            fds = [stack.enter_context(map._fd_handle()) for map in maps]
            self._handle: Handle = create(
                lib.glue_ring_new, fds, len(fds), self._records.size, self._records.capacity, BATCH_BYTES,
                free=lib.glue_ring_free, fds=_fds, operation="open ring buffer", subject=self._subject,
            )  # fmt: skip
        self._handle.what = f"ring buffer {self._subject}"

    @property
    def _subject(self) -> str:
        return ", ".join(f"'{name}'" for name in self._map_names)

    # --- reading ----------------------------------------------------------------------

    def __iter__(self) -> Iterator[T]:
        """Yields events, waits for more, and ends when the reader is closed.

        Several iterators take from the same stream. An exception that comes out of one
        ends that iterator, and no event is lost: the next iterator goes on behind it.

        Raises:
            ClosedError: the reader is closed already.
            StateError: this is a forked child.
            ShortRecordError: a record has fewer bytes than its type.
        """
        self._handle.require_own_process()
        with self._handle:
            # All in C from here on, once for each event: no signal handler runs between the
            # step of an iterator and the loop that gets the event.
            return chain.from_iterable(iter(self._batch_or_end, None))

    def read_batch(self, *, timeout: float | None = None) -> list[T]:
        """Waits until there are events, and returns those of one batch; there may be more.

        Args:
            timeout: seconds to wait at most; 0 for not at all, None for without end.

        Returns:
            The events, in order; an empty list after the timeout.

        Raises:
            ClosedError: the reader is closed, also by another thread during the wait.
            StateError: this is a forked child.
            ShortRecordError: a record has fewer bytes than its type.
        """
        return list(self._next_batch(_deadline(timeout)) or ())

    def poll(self, timeout: float | None = None) -> int:
        """Waits until there are events, and calls the callback with each one of a batch.

        An exception of the callback stops the delivery and comes out of here. The event that
        it was called with counts as delivered; those behind it are the next to come.

        Args:
            timeout: seconds to wait at most; 0 for not at all, None for without end.

        Returns:
            How many events were delivered; 0 after the timeout.

        Raises:
            StateError: the reader was made without a callback, or this is a forked child.
            ClosedError: the reader is closed, also by another thread during the wait.
            ShortRecordError: a record has fewer bytes than its type.
        """
        callback = self._require_callback()
        return _deliver(self._next_batch(_deadline(timeout)), callback)

    def consume(self) -> int:
        """Calls the callback with every event that is there, and does not wait: see `poll`.

        It goes on until it finds the rings empty once.

        Returns:
            How many events were delivered.
        """
        callback = self._require_callback()
        delivered = 0
        while events := self._next_batch(0.0):
            delivered += _deliver(events, callback)
        return delivered

    def _require_callback(self) -> Callable[[T], object]:
        if self._callback is None:
            raise StateError(
                f"this {self._handle.what} was made without a callback: iterate it, or call read_batch()"
            )
        return self._callback

    def fileno(self) -> int:
        """An epoll fd that is readable while a ring has records; it stays the reader's own.

        For `select`, `selectors` and event loops. Events that were drained and not yet
        taken do not show: after it was readable, call `read_batch(timeout=0)` until it returns nothing.

        Raises:
            ClosedError: the reader is closed.

        libbpf: ring_buffer__epoll_fd.
        """
        with self._handle as ring:
            return lib.glue_ring_epoll_fd(ring, 0)

    @property
    def fd(self) -> int:
        """The same as `fileno()`."""
        return self.fileno()

    # --- batches ----------------------------------------------------------------------

    def _batch_or_end(self) -> Iterator[T] | None:
        """The next batch of an iteration; None ends it."""
        try:
            return self._next_batch(None)
        except ClosedError:
            return None

    def _next_batch(self, deadline: float | None) -> Iterator[T] | None:
        """An iterator over the events at hand, waiting where there are none; None once the time is over."""
        handle = self._handle
        handle.require_own_process()
        with handle as ring:
            fruitless = 0
            while not handle.closed:
                events = self._drain(ring)
                if length_hint(events):
                    return events
                left = _LONGEST_WAIT if deadline is None else min(deadline - monotonic(), _LONGEST_WAIT)
                if left <= 0:
                    return None
                # A ring is readable, and has no record to give, while a program holds the oldest one
                # reserved, or when records were discarded. Do not spin over the former.
                fruitless += 1
                if fruitless % 3:
                    _wait(left, ring.wake_fd, lib.glue_ring_epoll_fd(ring, 0))
                else:
                    _wait(min(left, _PAUSE), ring.wake_fd)
        raise ClosedError(f"this {handle.what} is closed")

    def _drain(self, ring: CData) -> Iterator[T]:
        """The iterator over the batch in delivery, or over a new one when that is finished. Does not wait."""
        with self._lock:
            if self._draining:
                raise StateError(f"this {self._handle.what} is read by the code that this signal interrupted")
            try:
                self._draining = True
                number, events = self._batch
                if number == ring.batch and not length_hint(events):
                    if ring.error:
                        self._raise_error(ring)
                    lib.glue_ring_drain(ring)
                if number != ring.batch:
                    self._batch = ring.batch, iter(self._records.unpack(ring))
                    if ring.error and not ring.count:
                        self._raise_error(ring)
                return self._batch[1]
            finally:
                self._draining = False

    def _raise_error(self, ring: CData) -> None:
        """Raises, once, what ended the last batch (struct glue_ring, error)."""
        import errno

        name, size, error = self._map_names[ring.error_ring], ring.error_size, ring.error
        raised: Exception
        if error == errno.EBADMSG:
            record = bytes(ffi.buffer(ring.data + ring.used, size))
            count = self._short_records + 1
            raised = ShortRecordError(record, name, self._records.name, self._records.size, count)
            self._short_records = count
        elif error == errno.ENOMEM:
            raised = MemoryError(f"a record of {size} bytes of map '{name}' found no memory and is lost")
        else:
            raised = FormatError(
                error, "read a record of map", f"'{name}'",
                hint=f"Its header says {size} bytes, more than the ring has. "
                "Is there another reader of this map, in this process or another?",
            )  # fmt: skip
        ring.error = 0
        raise raised

    # --- end --------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._handle.closed

    def close(self) -> None:
        """Ends the reader, and every wait for it. Idempotent.

        An iteration ends; a `poll` or `read_batch` that waits raises `ClosedError`. What the
        ring holds stays there for the next reader; events that were drained and not taken
        are gone, so take them before: `read_batch(timeout=0)`, until it returns nothing.
        """
        handle = self._handle
        with contextlib.suppress(ClosedError), handle as ring:
            try:
                handle.close()
            finally:
                # The eventfd is shared with the parent of a forked child, who goes on waiting.
                if not handle.forked:
                    os.eventfd_write(ring.wake_fd, 1)
                # A loop over the batch in delivery ends too, and does not first go through the rest of it.
                deque(self._batch[1], maxlen=0)

    def __enter__(self) -> Self:
        with self._handle:
            return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        handle: Handle | None = getattr(self, "_handle", None)
        # The handle frees itself; this only says that close() was forgotten.
        if handle is not None and not handle.closed and not handle.forked:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        closed = ", closed" if self._handle.closed else ""
        return f"<RingBuffer of {self._subject}: {self._records.name}{closed}>"


def _ring_maps(maps: Map | Iterable[Map]) -> list[Map]:
    several = [maps] if isinstance(maps, Map) else list(maps)
    if not several:
        raise ValueError("a ring buffer reader needs a map")
    for map in several:
        if not isinstance(map, Map):
            raise TypeError(f"a ring buffer reader takes maps, not {type(map).__name__}")
        if map.type != MapType.RINGBUF:
            raise MapTypeError(f"map '{map.name}' is a {map.type.name}, not a RINGBUF")
    return several


def _btfs(maps: list[Map]) -> Iterator[Btf]:
    """Where the name of a type is looked up: in the maps' objects, then in the kernel."""
    from ..btf import Btf

    for map in maps:
        # The kernel has no BTF of a ring buffer map (libbpf.c:bpf_object__create_map), so that
        # one from a pin, an id or an fd brings no types.
        btf = map._object.btf if map._object is not None else None
        if btf is not None:
            yield btf
    with Btf.vmlinux() as btf:
        yield btf


def _fds(ring: CData) -> list[int]:
    """The fds of a reader, for a forked child."""
    return [ring.wake_fd, *(lib.glue_ring_epoll_fd(ring, index) for index in range(ring.ring_count))]


def _deadline(timeout: float | None) -> float | None:
    if timeout is None or timeout == float("inf"):
        return None
    if not timeout >= 0:
        raise ValueError(f"a timeout is a number of seconds from 0 on, or None, not {timeout}")
    return monotonic() + timeout if timeout else 0.0


def _wait(seconds: float, *fds: int) -> None:
    """Waits until one of the fds is readable. A signal handler that raises ends it (PEP 475)."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    poll.poll(seconds * 1000)


def _deliver(events: Iterator[T] | None, callback: Callable[[T], object]) -> int:
    delivered = 0
    for event in events or ():
        callback(event)
        delivered += 1
    return delivered
