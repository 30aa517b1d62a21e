# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Linker: several BPF object files into one."""

from __future__ import annotations

import contextlib
import errno
import os
from _thread import RLock
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ._native import NULL, Handle, call, create, ffi, lib, path_bytes
from .errors import BpfError, FormatError, StateError, from_errno

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer

    from ._libbpf import CData
    from ._native import StrPath

# elf.h: as much of a file as tells that it is a BPF object.
_HEADER_SIZE = 64
_EM_BPF = b"\xf7\x00"
_NOT_THE_INPUT = (PermissionError, FileNotFoundError, MemoryError)


class Linker:
    """Links BPF object files statically, as `bpftool gen object` does::

        with Linker("tool.bpf.o") as linker:
            linker.add("probes.bpf.o")
            linker.add("maps.bpf.o")

    Their programs, maps, variables and types are put together; an `extern` of one is resolved by a
    definition of another. At the end of the `with` the file is complete; after an exception it is removed.

    Args:
        path: the file to make. One that exists is overwritten.

    Raises:
        BpfError: the file cannot be made.

    At the end of a `with` in which nothing was added there is a StateError.

    libbpf: bpf_linker__new.
    """

    def __init__(self, path: StrPath) -> None:
        self._path = path_bytes(path)
        self._shown = f"'{os.fsdecode(self._path)}'"
        self._lock = RLock()
        self._empty = True
        self._finished = False
        self._failed = False
        self._handle: Handle = create(
            lib.call_bpf_linker__new, self._path, NULL,
            free=lib.bpf_linker__free, operation="make the object file", subject=self._shown,
        )  # fmt: skip
        self._handle.what = f"linker of {self._shown}"

    def add(self, source: StrPath | Buffer) -> None:
        """Adds an object file.

        Args:
            source: a path, or the object itself as any buffer.

        Raises:
            NotFoundError: there is no such file.
            FormatError: it is no BPF object, or does not go with those before: the message has what
                libbpf says of it. The linker can only be closed then.
            StateError: the linker has finished.

        libbpf: bpf_linker__add_file, bpf_linker__add_buf (1.6).
        """
        if isinstance(source, (str, os.PathLike)):
            path = path_bytes(source)
            try:
                with open(path, "rb") as file:
                    header = file.read(_HEADER_SIZE)
            except OSError as error:
                raise from_errno(error.errno or 0, "link", f"'{os.fsdecode(path)}'") from error
            self._add(f"'{os.fsdecode(path)}'", header, lib.call_bpf_linker__add_file, path)
            return
        try:
            with memoryview(source) as view:
                data = bytes(view)
        except TypeError:
            raise TypeError(
                f"an object file is given as a path, or as a buffer, not {type(source).__name__}"
            ) from None
        arguments = ffi.from_buffer(data), len(data)
        self._add(f"{len(data)} bytes in memory", data, lib.call_bpf_linker__add_buf, *arguments)

    def _add(self, shown: str, header: bytes, function: Any, *arguments: Any) -> None:
        with self._turn() as linker:
            if header[:5] != b"\x7fELF\x02" or _EM_BPF not in (header[18:20], header[19:17:-1]):
                # Not for libbpf: 1.1 frees something twice then.
                self._failed = True
                raise FormatError(errno.EINVAL, "link", shown, hint="It is no BPF object file.")
            try:
                call(function, linker, *arguments, NULL, operation="link", subject=shown)
                self._empty = False
            except BpfError as error:
                self._failed = True
                if isinstance(error, _NOT_THE_INPUT) or type(error) is not BpfError:
                    raise
                raise FormatError(error.errno or 0, "link", shown, messages=error.messages) from error

    def finalize(self) -> None:
        """Writes the file. Nothing can be added any more.

        Raises:
            StateError: it was called before, or nothing was added.
            BpfError: the file cannot be written.

        libbpf: bpf_linker__finalize.
        """
        with self._turn() as linker:
            if self._empty:
                raise StateError(f"{self._shown}: nothing was added")
            call(lib.call_bpf_linker__finalize, linker, operation="write", subject=self._shown)
            self._finished = True

    @contextlib.contextmanager
    def _turn(self) -> Iterator[CData]:
        """This thread's turn: libbpf's linker has no lock of its own."""
        self._handle.require_own_process()
        with self._lock, self._handle as linker:
            if self._finished:
                raise StateError(f"{self._shown} is written; nothing can be added any more")
            if self._failed:
                raise StateError(f"{self._shown}: an object was refused before; close the linker")
            yield linker

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._handle.closed

    def close(self) -> None:
        """Ends it, and removes the file if it was not finished. Idempotent."""
        if not self._handle.closed and not self._handle.forked and not self._finished:
            try:
                os.unlink(self._path)
            except FileNotFoundError:
                pass
        self._handle.close()

    def __enter__(self) -> Linker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._finished and not self.closed:
                self.finalize()
        finally:
            self.close()

    def __repr__(self) -> str:
        return f"<Linker of {self._shown}{', closed' if self.closed else ''}>"
