# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Leases: the records of a ring buffer map where they lie, without a copy.

A ring has two positions. Programs write behind the producer's and up to the consumer's,
so that what lies between the two stays as it is until somebody moves the consumer's: `Lease.commit`
does, once Python has nothing any more that looks there.

Whether it has is found out so: every view of a lease is one of a buffer object that is the
lease's own. Views that the lease made are released. Those that were made of them keep the
buffer object alive, which a weak reference tells.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import struct
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from .._native import ffi, lib
from ..errors import ClosedError, FormatError, StateError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ..maps import Map
    from .ring_buffer import RingBuffer

# Records that one lease can have.
_CAPACITY = 8192
# Where the data begin in the mapping: behind the two positions.
_BEFORE = 2 * mmap.PAGESIZE
_place_at = struct.Struct("=II").unpack_from
_end_at = struct.Struct("=Q").unpack_from


class MappedRing:
    """The mappings of a ring buffer map that leases look into.

    Python's mmap is the owner: views that outlive the reader and the map stay valid.
    """

    def __init__(self, map: Map, size: int) -> None:
        page = mmap.PAGESIZE
        with map._fd_handle() as fd:
            consumer = mmap.mmap(fd, page, prot=mmap.PROT_READ | mmap.PROT_WRITE)
            # Both positions, and the data twice in a row, so that a record at the end lies in one piece.
            whole = mmap.mmap(fd, 2 * page + 2 * size, prot=mmap.PROT_READ)
        self.size = size
        self.consumer_page = ffi.from_buffer(consumer)
        self.whole = ffi.from_buffer(whole)
        self.records = ffi.new("struct glue_record[]", _CAPACITY)
        self.ends = ffi.new("uint64_t[]", _CAPACITY)
        self.lease = ffi.new("struct glue_lease *")
        self.lease.records, self.lease.ends = self.records, self.ends

    @property
    def data(self) -> Any:
        return self.whole + _BEFORE

    def peek(self) -> Any:
        lib.glue_lease_peek(self.lease, self.whole, self.data, self.size, _CAPACITY)
        return self.lease


class Lease(Sequence[memoryview]):
    """Records of one ring where they lie: a sequence of read-only memoryviews, in order.

    As long as it is open, programs cannot overwrite them, and the ring fills up behind them.
    `commit` gives them back. Leaving the `with` statement without a commit
    gives nothing back: the same records are the next to come.

    Attributes:
        map: the name of the map.
    """

    map: str

    def __init__(self, reader: RingBuffer[Any], ring: MappedRing, map: str) -> None:
        """Use RingBuffer.lease()."""
        found = ring.lease
        self.map = map
        self._reader = reader
        self._ring = ring
        self._end: int = found.end
        self._first = 0
        self._count: int = found.count
        self._ends = bytes(ffi.buffer(ring.ends, 8 * found.count))
        # struct glue_record: start, end, and two more words of four bytes.
        self._records = bytes(ffi.buffer(ring.records, 16 * found.count))
        self._handed: list[memoryview] = []
        self._open = True
        self._expose()

    def _expose(self) -> None:
        # Of the object that owns the mapping, and not of a pointer into it.
        buffer = ffi.buffer(self._ring.whole)
        self._alive = weakref.ref(buffer)
        self._whole = memoryview(buffer).toreadonly()

    def _require_open(self) -> None:
        if not self._open:
            raise ClosedError("this lease is over")

    def __len__(self) -> int:
        return self._count - self._first

    def __bool__(self) -> bool:
        return self._first < self._count

    @overload
    def __getitem__(self, index: int) -> memoryview: ...
    @overload
    def __getitem__(self, index: slice) -> list[memoryview]: ...
    def __getitem__(self, index: int | slice) -> memoryview | list[memoryview]:
        self._require_open()
        places = range(self._first, self._count)[index]
        if isinstance(places, range):
            return [self._view(place) for place in places]
        return self._view(places)

    def __iter__(self) -> Iterator[memoryview]:
        self._require_open()
        return map(self._view, range(self._first, self._count))

    def _view(self, place: int) -> memoryview:
        self._require_open()
        start, end = _place_at(self._records, 16 * place)
        view = self._whole[_BEFORE + start : _BEFORE + end]
        self._handed.append(view)
        return view

    def to_numpy(self, dtype: Any) -> Any:
        """All records as one read-only NumPy array over the ring's memory, without a copy.

        Args:
            dtype: of the records' first bytes.

        Raises:
            ValueError: the records are not all of one size, or discarded ones lie between them,
                or they are smaller than the dtype.
        """
        import numpy

        self._require_open()
        dtype = numpy.dtype(dtype)
        if not self:
            return numpy.empty(0, dtype)
        places = numpy.frombuffer(self._records, "u4").reshape(-1, 4)[self._first :]
        starts = places[:, 0].astype("i8")
        sizes = places[:, 1] - starts
        first, size, count = int(starts[0]), int(sizes[0]), len(self)
        step = (size + 8 + 7) // 8 * 8
        if (sizes != size).any() or ((starts[1:] - starts[:-1] - step) % self._ring.size).any():
            raise ValueError("only records of one size, with none discarded between them, make an array")
        if size < dtype.itemsize:
            raise ValueError(f"the records have {size} bytes, and {dtype} has {dtype.itemsize}")
        data = self._whole[_BEFORE + first : _BEFORE + first + count * step]
        return numpy.ndarray(count, dtype, data, 0, (step,))

    def commit(self, count: int | None = None) -> None:
        """Gives records back to the ring: programs may write there again.

        All views that the lease handed out are released, and using one raises ValueError. The
        lease goes on with the records that are left, if any.

        Args:
            count: how many, from the first on; all by default.

        Raises:
            BufferError: something that was made of a view still looks into the ring: an array, or
                a slice. Nothing is given back then.
            ClosedError: the lease or its reader is over.
        """
        self._require_open()
        end: int | None
        if count is None:
            count, end = len(self), self._end
        elif not 0 <= count <= len(self):
            raise ValueError(f"this lease has {len(self)} records, not {count}")
        else:
            end = _end_at(self._ends, 8 * (self._first + count - 1))[0] if count else None
        self._hide()
        if end is not None:
            self._reader._commit(self, end)
        self._first += count
        self._expose()

    def _hide(self) -> None:
        """Takes all views back, or raises BufferError."""
        while self._handed:
            # One with an array on it raises BufferError.
            self._handed[-1].release()
            self._handed.pop()
        self._whole.release()
        if self._alive() is not None:
            self._expose()
            raise BufferError("a slice or another view of a leased record is still there: release it first")

    def close(self) -> None:
        """Ends the lease and its views. What was not committed is the next to be read. Idempotent.

        As long as something that was made of a view is there, the reader reads nothing else.
        """
        if self._open:
            self._open = False
            for view in self._handed:
                with contextlib.suppress(BufferError):
                    view.release()
            self._handed.clear()
            self._whole.release()

    @property
    def _over(self) -> bool:
        """Whether it is closed and nothing looks into the ring any more."""
        return not self._open and self._alive() is None

    def __enter__(self) -> Self:
        self._require_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Lease of {len(self)} records of '{self.map}'{'' if self._open else ', over'}>"


def refuse_length(map: str) -> FormatError:
    return FormatError(
        errno.EOVERFLOW,
        "lease records of map",
        f"'{map}'",
        hint="The length of one is more than the ring has, or its positions make no sense. "
        "Is there another reader of this map, in this process or another?",
    )


def require_over(lease: Lease, what: str) -> None:
    """Raises StateError while a lease, or something that was made of its views, looks into the ring."""
    if lease._open:
        raise StateError(f"this {what} has an open lease: commit what was read, and close it")
    if not lease._over:
        raise StateError(f"something made of a view of a lease of this {what} is still there: drop it")
