# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The fd of a map: its own, or a duplicate of the one that libbpf has in an object."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from .._native import Handle, check, lib
from ..enums import MapType, UpdateFlags
from ..errors import ENOTSUPP, ClosedError, StateError
from ..permissions import held_capabilities, what_stands_in_the_way
from .layout import Layout, read_layout

if TYPE_CHECKING:
    from .._libbpf import CData
    from ..object import Object


@contextlib.contextmanager
def look(obj: Object) -> Iterator[CData]:
    """A turn with libbpf's object for a read that a forked child may do as well.

    Once it is loaded, a map's facts and its fd never change, so that a child may read them
    without the lock, which a thread may hold that is not there any more.

    Raises:
        StateError: in a child, before load.
    """
    from ..state import State

    if obj._handle.forked and obj._state in (State.PREPARED, State.LOADED):
        with obj._handle as pointer:
            yield pointer
    else:
        with obj._turn() as pointer:
            yield pointer


class MapFd:
    """What a map is made of, and how it gets at its fd.

    A map of an object has libbpf's `struct bpf_map`, which is only touched while
    the object's lock is held and its handle borrowed. Its fd is duplicated the
    first time that it is asked for, so that nothing depends on when libbpf
    closes its own.
    """

    _name: str
    _map_type: MapType
    _object: Object | None
    _pointer: CData
    _fd: Handle | None
    # Known as soon as the fd is.
    _layout: Layout | None
    _closed: bool
    # Whether libbpf was told to use another map.
    _reused: bool

    @property
    def name(self) -> str:
        """Its name in the object, or the first 15 characters of it from the kernel."""
        return self._name

    @property
    def _label(self) -> str:
        """What messages call it. A map made by itself need not have a name."""
        return f"map '{self._name}'" if self._name else f"this {self._map_type.name} map"

    def _fd_handle(self) -> Handle:
        """The handle of its fd. For a map of an object, a duplicate that is made once."""
        return self._fd or self._take_fd()

    def _take_fd(self) -> Handle:
        self._require_open()
        obj = self._object
        assert obj is not None
        with look(obj):
            if self._fd is None:
                self._require_created(obj)
                fd = lib.bpf_map__fd(self._pointer)
                if fd < 0:
                    raise StateError(f"{self._label} does not exist")
                # From 3 on: the kernel takes 0 for "none" (libbpf.c:ensure_good_fd).
                handle = Handle(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3), os.close, what=self._label)
                with handle:
                    self._layout = read_layout(handle._value)
                self._fd = handle
        if self._closed:
            # close() came between, and saw no handle yet.
            self._fd.close()
        return self._fd

    def _require_created(self, obj: Object) -> None:
        """Raises StateError for a map that does not exist. libbpf gives an fd all the same: a placeholder."""
        from ..state import State

        if self._reused:
            return
        if obj._state == State.OPENED:
            raise StateError(f"{self._label} does not exist before its object is loaded")
        if obj._state == State.FAILED:
            raise StateError(f"{self._label} does not exist: the load of its object failed")
        if not lib.bpf_map__autocreate(self._pointer):
            raise StateError(f"{self._label} does not exist: its autocreate is off")

    def _known_layout(self) -> Layout:
        """The layout of a map that exists."""
        self._fd_handle()
        assert self._layout is not None
        return self._layout

    def fileno(self) -> int:
        """The fd of the map, which stays this object's.

        Raises:
            StateError: it does not exist yet: its object is not loaded.
            ClosedError: it is closed.
        """
        with self._fd_handle() as fd:
            return int(fd)

    @property
    def fd(self) -> int:
        """The same as `fileno()`."""
        return self.fileno()

    @property
    def id(self) -> int:
        """The kernel's id of the map (4.13)."""
        with self._fd_handle():
            return self._known_layout().id

    @property
    def closed(self) -> bool:
        """Whether it, or its object, was closed."""
        return self._closed or (self._object is not None and self._object.closed)

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError(f"{self._label} is closed")

    def _fail(self, result: int, operation: str, flags: int = 0, hint: str = "") -> NoReturn:
        """Raises what a negative result of a call with these flags means."""
        check(result, operation, self._label, hint=hint or self._hint(-result, flags))
        raise AssertionError(result)

    def _hint(self, number: int, flags: int) -> str:
        """What may be wrong, where an error number says too little."""
        if number == errno.E2BIG:
            return f"The map is full: its max_entries is {self._known_layout().max_entries}."
        if number == errno.EPERM:
            # A process without rights may be refused whatever the map is (kernel.unprivileged_bpf_disabled).
            rights = "" if held_capabilities() & {"CAP_SYS_ADMIN", "CAP_BPF"} else what_stands_in_the_way()
            closed = "The map is frozen, or its flags close it to such system calls (RDONLY, WRONLY)."
            return f"{closed} {rights}".rstrip()
        if flags and number in (errno.EINVAL, errno.ERANGE, errno.EOPNOTSUPP, ENOTSUPP):
            return _flags_hint(flags)
        return ""


def _flags_hint(flags: int) -> str:
    if flags & (UpdateFlags.CPU | UpdateFlags.ALL_CPUS):
        return "UpdateFlags.CPU and ALL_CPUS are for per-CPU maps, and possible CPUs, since Linux 7.0."
    if flags & UpdateFlags.LOCK:
        return "UpdateFlags.LOCK is for values with a struct bpf_spin_lock, since Linux 5.1."
    return f"This kind of map does not take {UpdateFlags(flags)!r} here."
