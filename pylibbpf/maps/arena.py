# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Arenas: BPF_MAP_TYPE_ARENA."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import weakref

from .._native import Handle, ffi, lib
from ..enums import MapFlags, MapType
from ..errors import BpfError, StateError, from_errno
from .fd import look
from .map import Map

# asm-generic/mman-common.h; since 4.17.
_MAP_FIXED_NOREPLACE = 0x100000

# The module mmap cannot ask for an address.
_libc = ctypes.CDLL(None, use_errno=True)
_mmap, _munmap = _libc.mmap, _libc.munmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = (
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
    ctypes.c_long,
)
_munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)


class Arena(Map):
    """Sparse memory that programs and user space share. max_entries is its size in pages, and `map_extra`
    the address where user space shall map it.

    `memory()` is the memory itself. Pointers that programs leave there are addresses of this process,
    and `address` is where they count from.

    Kernel: 6.9.
    """

    _type = MapType.ARENA
    _key_size = 0
    _value_size = 0
    _create_flags = MapFlags.MMAPABLE

    # For as long as somebody has a view of it.
    _shared: weakref.ref[_Memory] | None = None

    def memory(self) -> memoryview:
        """The arena's memory, all of it: a page comes into being when it is first touched.

        The view stays valid after the map and its object are closed, and in a forked child. Touching a
        page that the arena cannot have any more, because the machine's memory is full, ends the process
        with SIGSEGV, as with any shared memory; so does every page that no program allocated, under
        `MapFlags.SEGV_ON_FAULT`.

        Raises:
            StateError: the arena does not exist yet, or is mapped already by somebody else: the kernel
                lets it have one address only.
            ExistsError: the address that `map_extra` asks for is taken in this process.

        libbpf: bpf_map__initial_value for a map of an object; mmap for any other.
        """
        return memoryview(self._mapping()).cast("B")

    @property
    def address(self) -> int:
        """Where `memory()` begins in this process. Raises what `memory` raises."""
        return ctypes.addressof(self._mapping())

    def _mapping(self) -> _Memory:
        with self._fd_handle() as fd:
            shared = self._living()
            if shared is not None:
                return shared
            size = self._known_layout().max_entries * mmap.PAGESIZE
            try:
                address, handle = self._libbpfs_mapping() or self._own_mapping(fd, size)
            except (StateError, BpfError):
                shared = self._living()
                if shared is None:
                    raise
                return shared  # another thread was faster
            shared = _memory_class(size).from_address(address)
            duplicate = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
            shared.keep(handle, Handle(duplicate, os.close, what=f"memory of {self._label}"))
            self._shared = weakref.ref(shared)
            return shared

    def _living(self) -> _Memory | None:
        """The mapping, if somebody still has a view of it."""
        return self._shared() if self._shared is not None else None

    def _libbpfs_mapping(self) -> tuple[int, Handle] | None:
        """The mapping that libbpf made when it created the arena of an object. It keeps libbpf's object."""
        obj = self._object
        if obj is None or self._reused:
            return None
        with look(obj):
            pointer = lib.bpf_map__initial_value(self._pointer, ffi.new("size_t *"))
            if not pointer:
                return None
            lender = obj._handle
            lender.hold()
        what = f"memory of {self._label}"
        return int(ffi.cast("uintptr_t", pointer)), Handle(pointer, lambda _: lender.release(), what=what)

    def _own_mapping(self, fd: int, size: int) -> tuple[int, Handle]:
        wanted = self._known_layout().map_extra
        address = _map(fd, size, wanted)
        if address is None:
            raise self._cannot_map(ctypes.get_errno(), wanted)
        pointer = ffi.cast("void *", address)
        return address, Handle(pointer, lambda _: _munmap(address, size), what=f"memory of {self._label}")

    def _cannot_map(self, number: int, wanted: int) -> StateError | BpfError:
        if number in (errno.EBUSY, errno.EINVAL) and not wanted:
            return StateError(
                f"{self._label} is mapped already, at an address that the kernel does not tell: "
                "create it with the address, map_extra, to map it more than once"
            )
        hint = f"In this process {wanted:#x} is taken." if number == errno.EEXIST else ""
        return from_errno(number, "map the memory of", self._label, hint=hint)


class _Memory(ctypes.Array[ctypes.c_ubyte]):
    """An arena's memory. What it needs lives as long as any view of it."""

    _type_ = ctypes.c_ubyte
    _length_ = 0

    handle: Handle
    fd: Handle

    def keep(self, handle: Handle, fd: Handle) -> None:
        self.handle, self.fd = handle, fd
        _living[ctypes.addressof(self)] = self

    def map_anew(self) -> None:
        """Maps it in a child: the kernel does not copy such mappings (VM_DONTCOPY)."""
        with self.fd as fd:
            _map(fd, ctypes.sizeof(self), ctypes.addressof(self))


def _memory_class(size: int) -> type[_Memory]:
    return type("_Memory", (_Memory,), {"_length_": size})


def _map(fd: int, size: int, address: int) -> int | None:
    flags = mmap.MAP_SHARED | (_MAP_FIXED_NOREPLACE if address else 0)
    found: int | None = _mmap(address or None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, 0)
    return None if found == ctypes.c_void_p(-1).value else found


# By address.
_living: weakref.WeakValueDictionary[int, _Memory] = weakref.WeakValueDictionary()


def _after_fork_in_child() -> None:
    for memory in list(_living.values()):
        memory.map_anew()


os.register_at_fork(after_in_child=_after_fork_in_child)
