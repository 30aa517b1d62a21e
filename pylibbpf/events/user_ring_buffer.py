# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""UserRingBuffer: records from Python to BPF programs (BPF_MAP_TYPE_USER_RINGBUF, Linux 6.1)."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import threading
import warnings
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .._native import NULL, Handle, create, ffi, lib
from ..enums import MapType
from ..errors import BpfError, ClosedError, MapTypeError, StateError, from_errno
from ..maps import Map
from .lookup import TypeNames
from .waiting import Waits, deadline_of

if TYPE_CHECKING:
    import builtins
    import ctypes
    from types import TracebackType

    from typing_extensions import Self

    from .._libbpf import CData
    from ..btf import Btf

    Structure = TypeVar("Structure", bound=ctypes.Structure | ctypes.Union)

T = TypeVar("T")

# The top two bits of a record's length are flags.
_LARGEST = (1 << 30) - 1


class UserRingBuffer(Generic[T]):
    """A producer for a user ring buffer map, which a program drains by bpf_user_ringbuf_drain::

        with bpf.UserRingBuffer(obj.maps["commands"], "struct command") as commands:
            with commands.reserve() as command:
                command.kind = 3

    A `with` statement that ends well submits the record, one that ends with an exception discards it.
    The program sees records in the order in which they were reserved, and none behind
    one that is not finished yet. It may be used from several threads; in a process that was
    forked from its own only for `close()`.

    Args:
        map: a USER_RINGBUF map.
        type: what `reserve()` makes: the name of a BTF struct or union, a BTF type, or a class derived from
            ctypes.Structure or ctypes.Union; None for records whose size each call says.
        btf: where to look up `type` instead of in the map's object and the kernel.

    Raises:
        MapTypeError: the map is of another type.
        NameNotFoundError: there is no BTF type of that name.
        TypeError: `type` is none of these.
        StateError: the map is not created yet: its object is not loaded.
        BpfError: the kernel refused to map the ring; a map has one producer at a time.

    libbpf: user_ring_buffer__new. Kernel: 6.1.
    """

    @overload
    def __init__(
        self: UserRingBuffer[memoryview],
        map: Map,
        type: None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: UserRingBuffer[Structure],
        map: Map,
        type: builtins.type[Structure],
    ) -> None: ...
    @overload
    def __init__(
        self: UserRingBuffer[Any],
        map: Map,
        type: object,
        *,
        btf: Btf | None = None,
    ) -> None: ...
    def __init__(self, map: Map, type: object = None, *, btf: Btf | None = None) -> None:
        if not isinstance(map, Map):
            raise TypeError(f"a user ring buffer takes a map, not {map!r}")
        if map.type != MapType.USER_RINGBUF:
            raise MapTypeError(f"map '{map.name}' is of type {map.type.name}, not USER_RINGBUF")
        self._map_name = map.name
        self._class = None if type is None else _class_of(type, map, btf)
        # libbpf.h: user_ring_buffer__reserve is not to be called by two threads at a time.
        self._lock = threading.RLock()
        with map._fd_handle() as fd:
            self._handle: Handle = create(
                lib.glue_user_ring_new, fd, free=lib.glue_user_ring_free, fds=_unmap,
                operation="open user ring buffer", subject=f"'{map.name}'",
            )  # fmt: skip
        self._handle.what = f"user ring buffer '{map.name}'"

    def reserve(self, size: int | None = None, *, timeout: float | None = 0) -> UserRecord[T]:
        """Space for a record, to be filled in a `with` statement.

        Args:
            size: its bytes, for a ring without a type; the record is then a memoryview of
                so many bytes, zeroes at first.
            timeout: seconds to wait until a program has drained enough; 0 for not at all, None for
                without end.

        Returns:
            A context manager, whose value is the record: an instance of the type, or a memoryview.

        Raises:
            BpfError: ENOSPC, there was no space till the end of the timeout; E2BIG, the record is
                larger than the ring.
            ClosedError: the ring is closed, also by another thread during the wait.
            StateError: this is a forked child.
            TypeError, ValueError: no size where there is no type, or one beside it; or an impossible size.

        libbpf: user_ring_buffer__reserve.
        """
        deadline = deadline_of(timeout)
        if self._class is not None:
            if size is not None:
                raise TypeError(f"records of this {self._handle.what} have a type, and so a size")
            value: Any = self._class()
            view = memoryview(value).cast("B")
        else:
            if size is None:
                raise TypeError(f"this {self._handle.what} was made without a type: say a size")
            if not 0 <= size <= _LARGEST:
                raise ValueError(f"a record has 0 to {_LARGEST} bytes, not {size}")
            value = view = memoryview(bytearray(size))
        record: UserRecord[Any] = UserRecord(self, value, view)
        self._reserve(record, view.nbytes, deadline)
        return record

    def _reserve(self, record: UserRecord[Any], size: int, deadline: float | None) -> None:
        handle = self._handle
        handle.require_own_process()
        with handle as ring:
            self._reserve_in(ring, record, size, deadline)

    def _reserve_in(self, ring: CData, record: UserRecord[Any], size: int, deadline: float | None) -> None:
        waits = None
        while not self._handle.closed:
            error = self._try(ring, record, size)
            if not error:
                return
            if error != errno.ENOSPC:
                raise self._error(error, size)
            # A ring with some space is writable, however little it is.
            waits = waits or Waits(deadline, ring.map_fd, ring.wake_fd, select.POLLOUT)
            if deadline == 0.0 or not waits.wait():
                raise self._error(error, size)
        raise ClosedError(f"this {self._handle.what} is closed")

    def _try(self, ring: CData, record: UserRecord[Any], size: int) -> int:
        """Reserves without waiting; the errno, or 0."""
        with self._lock:
            try:
                lib.glue_user_ring_reserve(ring, size)
                if not ring.reserved:
                    return int(ring.error)
                record._hold(ring.reserved)
                ring.reserved = NULL
            except BaseException:
                # A signal handler raised. What is reserved and never finished would stop the program.
                if ring.reserved:
                    record._pointer = None
                    lib.glue_user_ring_submit(ring, ring.reserved, NULL, 0)
                    ring.reserved = NULL
                raise
        return 0

    def _error(self, error: int, size: int) -> BpfError:
        hint = {
            errno.ENOSPC: "It is full: no program has drained it. "
            "Give reserve() a timeout, or the map more max_entries.",
            errno.E2BIG: f"{size} bytes and 8 of a header are more than the ring has.",
        }.get(error, "")
        return from_errno(error, "reserve a record of user ring buffer", f"'{self._map_name}'", hint=hint)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._handle.closed

    def close(self) -> None:
        """Ends the producer, and every wait for space. Idempotent.

        What was submitted stays in the ring. A record that is being filled can still be submitted.
        """
        handle = self._handle
        with contextlib.suppress(ClosedError), handle as ring:
            try:
                handle.close()
            finally:
                if not handle.forked:
                    os.eventfd_write(ring.wake_fd, 1)

    def __enter__(self) -> Self:
        with self._handle:
            return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        handle: Handle | None = getattr(self, "_handle", None)
        if handle is not None and not handle.closed and not handle.forked:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        closed = ", closed" if self._handle.closed else ""
        kind = self._class.__name__ if self._class is not None else "bytes"
        return f"<UserRingBuffer of '{self._map_name}': {kind}{closed}>"


class UserRecord(Generic[T]):
    """A reserved record: a context manager that submits, or discards when an exception leaves it.

    The record is memory of Python's, and is copied into the ring when it is submitted: nothing that
    is kept of it can write there later.

    Attributes:
        value: the record, which the `with` statement gives too.
    """

    value: T

    def __init__(self, ring: UserRingBuffer[Any], value: T, view: memoryview) -> None:
        """Use UserRingBuffer.reserve()."""
        self.value = value
        self._view = view
        self._ring = ring
        self._pointer: CData | None = None

    def _hold(self, pointer: CData) -> None:
        # The ring stays mapped until the record is finished.
        self._ring._handle.hold()
        self._pointer = pointer

    def submit(self) -> None:
        """Lets the program have the record.

        Raises:
            StateError: it is submitted or discarded already, or this is a forked child.

        libbpf: user_ring_buffer__submit.
        """
        self._finish(True)

    def discard(self) -> None:
        """Gives the space back: the program does not see it.

        Raises:
            StateError: it is submitted or discarded already, or this is a forked child.

        libbpf: user_ring_buffer__discard.
        """
        self._finish(False)

    def _finish(self, submitted: bool) -> None:
        handle = self._ring._handle
        handle.require_own_process()
        pointer, self._pointer = self._pointer, None
        if pointer is None:
            raise StateError("this record is submitted or discarded already")
        try:
            data = ffi.from_buffer(self._view) if submitted else NULL
            lib.glue_user_ring_submit(handle._value, pointer, data, self._view.nbytes)
        finally:
            handle.release()

    def __enter__(self) -> T:
        if self._pointer is None:
            raise StateError("this record is submitted or discarded already")
        return self.value

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._pointer is not None:
            self._finish(kind is None)

    def __del__(self) -> None:
        if self._pointer is not None and not self._ring._handle.forked:
            # No call from a finalizer: the record stays reserved, and the program waits for it.
            warnings.warn(
                "a reserved record was neither submitted nor discarded: programs wait for it",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )


def _class_of(type: Any, map: Map, btf: Btf | None) -> Any:
    from .records import Structures
    from .types import records_of

    with TypeNames([map], btf) as names:
        records = records_of(type, names)
    if not isinstance(records, Structures):
        raise TypeError(f"records of a user ring buffer are structs or unions, not {records.name}")
    return records.cls


def _unmap(ring: CData) -> tuple[int, ...]:
    """Frees a ring in a forked child. libbpf only unmaps and closes fds, of which one cannot be had."""
    lib.glue_user_ring_free(ring)
    return ()
