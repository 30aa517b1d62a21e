# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Reader: what the readers of ring buffers and perf buffers have in common.

How a record gets to Python
---------------------------
`glue_reader_drain` copies what there is into a batch of its own, in one call
that does not wait and calls no Python. The batch becomes a list of events in one
step, and an iterator over that list is the only thing that knows which event is
next. Three facts are kept so that no exception of a signal handler loses or repeats
a record, wherever it cuts in: the number of the drained batch, in C, and the number
of the unpacked batch with how far it is unpacked and the iterator, stored at once.

Waiting is Python's: `select.poll` on the reader's epoll fd and on an eventfd that
`close` makes readable, without any lock; or a future of the running event loop.
"""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
from _thread import RLock
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import chain
from operator import length_hint
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._native import Handle, create, ffi, lib
from ..errors import ClosedError, FormatError, StateError
from .records import BATCH_BYTES, Refusal, ShortRecordError, UnknownRecordError
from .waiting import Waits, deadline_of

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .._libbpf import CData
    from .records import Records

T = TypeVar("T")

# How long an `async for` that always finds events keeps the loop to itself, in seconds.
_TURN = 0.002


class Reader(Generic[T]):
    """A stream of events: the base of RingBuffer and PerfBuffer."""

    # Of its kind, for messages.
    _kind: str

    _handle: Handle
    _records: Records[T]
    _callback: Callable[[T], object] | None

    def _set_up(self, records: Records[T], callback: Callable[[T], object] | None) -> None:
        self._records = records
        self._callback = callback
        # Two threads drain one after the other. Reentrant, so that a signal handler that reads
        # on the thread that is reading finds `_draining` and not a deadlock.
        self._lock = RLock()
        self._draining = False
        # The number of the batch, how many of its records are unpacked, and those of them to come.
        self._batch: tuple[int, int, Iterator[T]] = (0, 0, iter(()))
        self._short_records = 0
        self._unknown_records = 0

    def _open(self, function: Any, *arguments: Any) -> None:
        """Makes the reader in C, by a constructor that takes the layout of the batches last."""
        records = self._records
        layout = ffi.new("struct glue_layout *")
        layout.stride, layout.least = records.stride, records.least
        layout.capacity, layout.size = records.capacity, BATCH_BYTES
        layout.keep_whole = records.whole
        self._handle = create(
            function, *arguments, layout,
            free=lib.glue_reader_free, fds=_fds, operation=f"open {self._kind}", subject=self._subject,
        )  # fmt: skip
        self._handle.what = f"{self._kind} {self._subject}"

    def _source_name(self, source: int) -> str:
        """The name of the map that a record came from."""
        raise NotImplementedError

    @property
    def _subject(self) -> str:
        raise NotImplementedError

    # --- reading ----------------------------------------------------------------------

    def __iter__(self) -> Iterator[T]:
        """Yields events, waits for more, and ends when the reader is closed.

        Several iterators take from the same stream. An exception that comes out of one
        ends that iterator, and no event is lost: the next iterator goes on behind it.

        Raises:
            ClosedError: the reader is closed already.
            StateError: this is a forked child.
            ShortRecordError: a record has fewer bytes than its type.
            UnknownRecordError: no type was given for a record's discriminator.
        """
        self._handle.require_own_process()
        with self._handle:
            # All in C from here on, once for each event: no signal handler runs between the
            # step of an iterator and the loop that gets the event.
            return chain.from_iterable(iter(self._batch_or_end, None))

    def read_batch(self, *, timeout: float | None = None, out: Any = None) -> Any:
        """Waits until there are events, and returns those of one batch; there may be more.

        Args:
            timeout: seconds to wait at most; 0 for not at all, None for without end.
            out: where to put the records instead, one behind the other, as many as fit: a NumPy
                array of one dimension with items of the type's size, or another writable
                buffer. For types of one size.

        Returns:
            The events, in order: a NumPy array if the type is a dtype, otherwise a list; empty
            after the timeout. With `out`, the part of it that was filled: of an array a
            slice, of another buffer a memoryview.

        Raises:
            ClosedError: the reader is closed, also by another thread during the wait.
            StateError: this is a forked child.
            ShortRecordError: a record has fewer bytes than its type.
            UnknownRecordError: no type was given for a record's discriminator.
            ValueError, TypeError: `out` cannot take the records.
        """
        deadline = deadline_of(timeout)
        if out is not None:
            return self._read_into(deadline, out)
        if self._records.array:
            return self._read_array(deadline)
        # Without a call at the end: no signal handler runs, and raises, after the events are taken.
        return [*(self._next_batch(deadline) or ())]

    async def read_batch_async(self) -> Any:
        """As `read_batch()`, in the running event loop. Cancelled, it loses no event.

        `asyncio.timeout` or `asyncio.wait_for` set a limit.
        """
        taken: list[Any] = []
        take = self._take_array if self._records.array else self._take_list
        try:
            await self._read_async(take, taken)
        except BaseException:
            if taken:
                self._put_back(taken[0])
            raise
        return taken[0]

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
            UnknownRecordError: no type was given for a record's discriminator.
        """
        callback = self._require_callback()
        return _deliver(self._next_batch(deadline_of(timeout)), callback)

    def consume(self) -> int:
        """Calls the callback with every event that is there, and does not wait: see `poll`.

        It goes on until it finds nothing once.

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
        """An epoll fd that is readable while there are records; it stays the reader's own.

        For `select`, `selectors` and event loops. Events that were drained and not yet
        taken do not show: after it was readable, call `read_batch(timeout=0)` until it returns nothing.

        Raises:
            ClosedError: the reader is closed.
        """
        with self._handle as reader:
            fd: int = reader.epoll_fd
            return fd

    @property
    def fd(self) -> int:
        """The same as `fileno()`."""
        return self.fileno()

    # --- asyncio ----------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[T]:
        """Yields events in the running event loop, and ends when the reader is closed.

        It waits by the loop's add_reader: no thread, and no look at the ring until the kernel
        says that there is something, but for one a second. A stream that never
        runs dry gives other tasks a turn every few milliseconds.

        A cancelled iteration loses no event, and neither does one that is broken off: the
        next goes on behind it.

        Raises:
            As `__iter__`.
        """
        self._handle.require_own_process()
        with self._handle:
            return self._events_async()

    async def _events_async(self) -> AsyncIterator[T]:
        import asyncio

        turn = monotonic() + _TURN
        while True:
            try:
                events = self._next_batch(0.0)
                if events is None:
                    events = await self._read_async(self._take_events)
                    turn = monotonic() + _TURN
                elif monotonic() > turn:
                    await asyncio.sleep(0)
                    turn = monotonic() + _TURN
            except ClosedError:
                return
            for event in events:
                yield event

    async def _read_async(self, take: Callable[..., Any], *arguments: Any) -> Any:
        """As `_read` without a timeout, in the running event loop."""
        handle = self._handle
        handle.require_own_process()
        with handle as reader:
            return await self._read_borrowed_async(reader, take, *arguments)

    async def _read_borrowed_async(self, reader: CData, take: Callable[..., Any], *arguments: Any) -> Any:
        waits = self._waits(reader, None)
        while not self._handle.closed:
            taken = self._alone(take, reader, *arguments)
            if taken is not None:
                self._after_drain(reader)
                return taken
            self._before_wait(reader)
            await waits.wait_async()
        raise ClosedError(f"this {self._handle.what} is closed")

    # --- batches ----------------------------------------------------------------------

    def _batch_or_end(self) -> Iterator[T] | None:
        """The next batch of an iteration; None ends it."""
        try:
            return self._next_batch(None)
        except ClosedError:
            return None

    def _next_batch(self, deadline: float | None) -> Iterator[T] | None:
        """An iterator over the events at hand, waiting where there are none; None once the time is over."""
        events: Iterator[T] | None = self._read(deadline, self._take_events)
        return events

    def _read(self, deadline: float | None, take: Callable[..., Any], *arguments: Any) -> Any:
        """What `take` gets, waiting while that is None; None once the time is over."""
        handle = self._handle
        handle.require_own_process()
        # The loops are functions of their own, here and wherever something is given back behind one:
        # CPython 3.13 leaves some jumps back of a loop out of the exception table (python/cpython#130279),
        # and what a signal handler raises there would pass by the end of a `with` or `try` around the loop.
        with handle as reader:
            return self._read_borrowed(reader, deadline, take, *arguments)

    def _read_borrowed(
        self, reader: CData, deadline: float | None, take: Callable[..., Any], *arguments: Any
    ) -> Any:
        waits = None
        while not self._handle.closed:
            taken = self._alone(take, reader, *arguments)
            if taken is not None:
                self._after_drain(reader)
                return taken
            if deadline == 0.0:
                return None
            waits = waits or self._waits(reader, deadline)
            self._before_wait(reader)
            if not waits.wait():
                return None
        raise ClosedError(f"this {self._handle.what} is closed")

    def _waits(self, reader: CData, deadline: float | None) -> Waits:
        return Waits(deadline, reader.epoll_fd, reader.wake_fd)

    def _after_drain(self, reader: CData) -> None:
        """A step before events are handed out: what it raises comes out, and they are the next to come."""

    def _before_wait(self, reader: CData) -> None:
        """A step when nothing is there to be read."""

    def _alone(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Does what only one thread may do at a time, and no signal handler in between."""
        with self._lock:
            if self._draining:
                raise StateError(f"this {self._handle.what} is read by the code that this signal interrupted")
            try:
                self._draining = True
                return work(*arguments)
            finally:
                self._draining = False

    def _take_events(self, reader: CData) -> Iterator[T] | None:
        """The iterator over the batch in delivery, or over a new one when that is finished."""
        if length_hint(self._batch[2]):
            return self._batch[2]
        number, position, events = self._unpack(reader)
        self._batch = number, position, iter(events)
        return self._batch[2] if len(events) else None

    # Signal handlers run, and raise, after calls and as loops turn. What takes events is therefore
    # followed by no call until somebody knows of them: `+=` on a list is none.

    def _put_back(self, events: Sequence[T]) -> None:
        """Events that were taken and cannot be handed out, because of an exception, are the next to come."""
        with self._lock:
            number, position, rest = self._batch
            self._batch = number, position, iter([*events, *rest])

    def _take_list(self, reader: CData, taken: list[Any]) -> Any:
        events = self._take_events(reader)
        if events is not None:
            taken += ([*events],)
        return events

    def _take_array(self, reader: CData, taken: list[Any]) -> Any:
        """Puts an array of the events at hand, or of a new batch, into the list."""
        number, position, events = self._batch
        if length_hint(events):
            left = [*events]
            try:
                joined = self._records.joined(left)
            except BaseException:
                self._batch = number, position, iter(left)
                raise
            taken += (joined,)
            return taken
        number, position, array = self._unpack(reader)
        unpacked = number, position, iter(())
        if not len(array):
            self._batch = unpacked
            return None
        taken += (array,)
        self._batch = unpacked
        return taken

    def _unpack(self, reader: CData) -> tuple[int, int, Sequence[T]]:
        """The next events that are at hand or can be drained, for `_batch`."""
        number, position, _ = self._batch
        if number != reader.batch:
            number, position = reader.batch, 0
        if position >= reader.count:
            if reader.error:
                self._raise_error(reader)
            lib.glue_reader_drain(reader)
            number, position = reader.batch, 0
            if not reader.count:
                if reader.error:
                    self._raise_error(reader)
                return number, position, ()
        events = self._records.unpack(reader, position)
        if not len(events):
            refusal = self._records.refusal(reader, position)
            self._batch = number, position + 1, iter(())
            raise self._error_of(refusal)
        return number, position + len(events), events

    # --- batches into memory of the caller's --------------------------------------------

    def _read_array(self, deadline: float | None) -> Any:
        taken: list[Any] = []
        try:
            self._read(deadline, self._take_array, taken)
        except BaseException:
            if taken:
                self._put_back(taken[0])
            raise
        return taken[0] if taken else self._records.of_heads(bytearray(), 0)

    def _read_into(self, deadline: float | None, out: Any) -> Any:
        target = _Target(out, self._records)
        taken: list[int] = []
        try:
            self._read(deadline, self._take_into, target, taken)
            filled = target.first(taken[0] if taken else 0)
        except BaseException:
            if taken:
                self._put_back(target.events(taken[0]))
            raise
        return filled

    def _take_into(self, reader: CData, target: _Target, taken: list[int]) -> Any:
        """Puts records into the target, and how many into the list."""
        number, position, events = self._batch
        if length_hint(events) or number != reader.batch or position < reader.count:
            self._take_over(reader, target, taken)
            return taken or None
        if reader.error:
            self._raise_error(reader)
        try:
            lib.glue_reader_drain_into(reader, target.pointer, target.capacity)
        finally:
            if reader.lent:
                taken += (reader.lent,)
            # In one step from "no events here" to "these are elsewhere".
            self._batch = reader.batch, 0, iter(())
        if not taken and reader.error:
            self._raise_error(reader)
        return taken or None

    def _take_over(self, reader: CData, target: _Target, taken: list[int]) -> None:
        """The same with events that were drained already."""
        events = self._take_events(reader)
        if events is None:
            return
        number, position, _ = self._batch
        left = [*events]
        try:
            count = target.fill(left)
            behind = number, position, iter(left[count:])
        except BaseException:
            self._batch = number, position, iter(left)
            raise
        taken += (count,)
        self._batch = behind

    # --- errors -----------------------------------------------------------------------

    def _raise_error(self, reader: CData) -> None:
        """Raises, once, what ended the last batch (struct glue_reader, error)."""
        source, size, error = reader.error_source, reader.error_size, reader.error
        raised: Exception
        if error == errno.EBADMSG:
            record = bytes(ffi.buffer(reader.whole + reader.used, size))
            raised = self._error_of(Refusal(record, source, type=(self._records.name, self._records.least)))
        elif error == errno.ENOMEM:
            raised = MemoryError(f"a record of {size} bytes of {self._source_name(source)} is lost")
        else:
            # glue.c:drain_source
            why = "Its positions are further apart than the ring is long."
            if size != 0xFFFFFFFF:
                why = f"Its header says {size} bytes, more than the ring has."
            raised = FormatError(
                error, "read a record of map", f"'{self._source_name(source)}'",
                hint=f"{why} Is there another reader of this map, in this process or another?",
            )  # fmt: skip
        reader.error = 0
        raise raised

    def _error_of(self, refusal: Refusal) -> Exception:
        name = self._source_name(refusal.source)
        if refusal.value is not None:
            count = self._unknown_records = self._unknown_records + 1
            return UnknownRecordError(refusal.record, name, *refusal.value, count)
        assert refusal.type is not None
        count = self._short_records = self._short_records + 1
        return ShortRecordError(refusal.record, name, *refusal.type, count)

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
        with contextlib.suppress(ClosedError), handle as reader:
            try:
                handle.close()
            finally:
                # The eventfd is shared with the parent of a forked child, who goes on waiting.
                if not handle.forked:
                    os.eventfd_write(reader.wake_fd, 1)
                # A loop over the batch in delivery ends too, and does not first go through the rest of it.
                deque(self._batch[2], maxlen=0)

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
        return f"<{type(self).__name__} of {self._subject}: {self._records.name}{closed}>"


class _Target:
    """Memory of the caller's for records of one size, one behind the other."""

    def __init__(self, out: Any, records: Records[Any]) -> None:
        size = records.stride
        if not size or records.whole:
            raise ValueError(f"`out` takes records of one size, and this reader gives {records.name}")
        view = memoryview(out)
        if view.readonly:
            raise ValueError("`out` is read-only")
        if not view.c_contiguous:
            raise ValueError("`out` is not contiguous")
        if view.format not in ("B", "b", "c") and (view.itemsize != size or view.ndim != 1):
            raise ValueError(
                f"`out` has items of {view.itemsize} bytes in {view.ndim} dimensions; "
                f"wanted are items of {size}, as {records.name} has, or plain bytes"
            )
        self.capacity = min(view.nbytes // size, 0x7FFF_FFFF)
        if not self.capacity:
            raise ValueError(f"`out` has {view.nbytes} bytes, and one record has {size}")
        self._records = records
        self._size = size
        self._out = out
        self._items = view.itemsize == size and hasattr(out, "dtype")
        self._bytes = view.cast("B") if view.nbytes else view
        self.pointer = ffi.from_buffer(self._bytes)

    def first(self, count: int) -> Any:
        """What the caller gets: the first records."""
        return self._out[:count] if self._items else self._bytes[: count * self._size]

    def events(self, count: int) -> Sequence[Any]:
        """The first records as events of their own."""
        return self._records.of_heads(bytearray(self._bytes[: count * self._size]), count)

    def fill(self, events: list[Any]) -> int:
        """Takes events that were made already, as many as fit; returns how many."""
        count = min(len(events), self.capacity)
        data = self._records.bytes_of(events[:count])
        self._bytes[: len(data)] = data
        return count


def _deliver(events: Iterator[T] | None, callback: Callable[[T], object]) -> int:
    # All in C but for the callback, and the iterator alone knows which event is next.
    return len([*map(callback, events or ())])


def _fds(reader: CData) -> list[int]:
    """The fds of a reader, for a forked child."""
    room = lib.glue_reader_fds(reader, ffi.NULL, 0)
    fds = ffi.new("int[]", room)
    lib.glue_reader_fds(reader, fds, room)
    return list(fds)
