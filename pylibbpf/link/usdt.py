# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching to static probes of programs and libraries: USDT, the probes of sys/sdt.h."""

from __future__ import annotations

import errno
import os
from _thread import RLock
from typing import TYPE_CHECKING

from .._native import Handle, c_string, create, ffi, lib, path_bytes
from ..enums import ProgramType
from ..errors import BpfError, FormatError, NotFoundError, NotSupportedError, StateError
from .create import Attachable, raise_explained, require_program
from .link import Link
from .perf_event import NO_ELF, explain, instead, require_number
from .uprobe import missing_in_file, process_number, said

if TYPE_CHECKING:
    from .._libbpf import CData
    from .._native import StrPath


class UsdtLink(Link):
    """A program on a static probe of a program or library, wherever that stands in the code.

    libbpf's own: in the kernel it is many uprobes, so that it has no fd and cannot be pinned
    (`is_bpf_link` is False).
    """

    @classmethod
    def _of_probe(cls, handle: Handle, needed: Handle) -> Link:
        """The link that libbpf made. `needed`, libbpf's object, stays alive until it is freed."""
        needed.hold()

        def free(pointer: CData) -> None:
            try:
                _destroy(pointer)
            finally:
                needed.release()

        handle._free = free
        return cls._make(handle, -1, None, None, owned=True)

    def _no_link(self, operation: str) -> NotSupportedError:
        return NotSupportedError(
            errno.EOPNOTSUPP,
            f"{operation} an attachment to a USDT probe",
            hint="In the kernel it is not one link, but as many uprobes as the probe has places.",
        )

    def fileno(self) -> int:
        """Raises NotSupportedError: there is no fd that stands for it."""
        with self._handle:
            raise self._no_link("tell the fd of")


def attach_usdt(
    program: Attachable,
    path: StrPath,
    provider: str,
    name: str,
    *,
    pid: int | None = None,
    cookie: int = 0,
) -> Link:
    """Attaches a program to a static probe of a program or library.

    Args:
        program: a `Usdt` of an object that `Object.load` loaded: libbpf finds the probe's
            arguments by maps of that object, which usdt.bpf.h brings.
        path: the file; a name without a slash is looked up in the directories of libraries
            ("libc.so.6") or of programs ("bash").
        provider: who defined the probe, "libc".
        name: the probe, "setjmp".
        pid: one process, 0 for this one; by default every process that runs the file. Before
            5.15 a library, or a program that is loaded anywhere, needs one.
        cookie: a number that the program gets from bpf_usdt_cookie(); 0 for none.

    Returns:
        A `UsdtLink`, which the caller owns. The object's memory stays until it is closed.

    Raises:
        ProgramTypeError: the program is of another type.
        StateError: it came from the kernel, or was loaded alone.
        NotFoundError: there is no such file, or no such probe in it.
        FormatError: the file is no ELF file.
        NotSupportedError: this kernel needs a pid.
        PermissionDeniedError: without CAP_PERFMON, or under lockdown.
        BpfError: the object lacks usdt.bpf.h's maps, or there is no such process.

    libbpf: bpf_program__attach_usdt (4.3; libbpf 0.8).
    """
    require_program(program, ProgramType.KPROBE)
    encoded = path_bytes(path)
    names = c_string(provider, "provider"), c_string(name, "name")
    if not (encoded and all(names)):
        raise ValueError("neither path, provider nor name may be empty")
    options = ffi.new("struct bpf_usdt_opts *")
    options.sz = ffi.sizeof("struct bpf_usdt_opts")
    options.usdt_cookie = require_number(cookie, "cookie")
    number = process_number(pid)
    obj = getattr(program, "_object", None)
    if obj is None:
        raise _no_object(program, "came from the kernel")
    try:
        with program._fd_handle(), obj._turn():
            pointer = program._pointer  # type: ignore[attr-defined]
            if lib.bpf_program__fd(pointer) < 0:
                raise _no_object(program, "was loaded alone")
            with _lock:
                handle = create(
                    lib.call_bpf_program__attach_usdt,
                    pointer,
                    number,
                    encoded,
                    *names,
                    options,
                    free=_destroy,
                    fds=_no_fds,
                    operation=f"attach program '{program.name}' to the USDT probe",
                    subject=f"'{os.fsdecode(encoded)}:{provider}:{name}'",
                )
                return UsdtLink._of_probe(handle, obj._handle)
    except BpfError as error:
        raise_explained(error, explain_usdt(error, os.fsdecode(encoded), provider, name, pid=pid))


# A closed link gives its numbers back to libbpf's object, which has no lock (usdt.c:bpf_link_usdt_detach).
# One for all objects: a thread that has one object's turn may have to free the forgotten link of another.
_lock = RLock()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - what a process has one of
    _lock = RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _destroy(pointer: CData) -> None:
    with _lock:
        lib.bpf_link__destroy(pointer)


def _no_fds(pointer: CData) -> list[int]:
    """libbpf does not tell the fds of the uprobes."""
    return []


def _no_object(program: Attachable, why: str) -> StateError:
    return StateError(
        f"program '{program.name}' {why}: libbpf attaches to USDT probes by maps of the program's object, "
        "and so only what Object.load() loaded"
    )


def explain_usdt(error: BpfError, path: str, provider: str, name: str, *, pid: int | None = None) -> BpfError:
    """What a refusal to attach to a USDT probe means."""
    if said(error, "USDT support BPF maps"):
        error.hint = "Include <bpf/usdt.bpf.h> in the program's source: libbpf finds arguments by its maps."
    elif isinstance(error, FormatError) or said(error, "unrecognized ELF kind"):
        hint = f"Probes are looked up in an ELF file, which '{path}' is not."
        return instead(error, FormatError, NO_ELF, hint)
    elif said(error, "failed to get memory segments"):
        # Before 5.15 libbpf reads /proc/PID/maps.
        return instead(error, BpfError, errno.ESRCH, f"There is no process {pid}.")
    elif said(error, "no USDT notes section"):
        error.hint = f"'{path}' has no USDT probes: it was built without sys/sdt.h."
    elif isinstance(error, NotFoundError):
        error.hint = _missing(error, path, provider, name)
    elif said(error, "without specific PID"):
        hint = "Before Linux 5.15 it takes a pid to probe a library, or a program that is loaded anywhere."
        return instead(error, NotSupportedError, errno.EOPNOTSUPP, hint)
    elif error.errno == errno.ESRCH:
        error.hint = f"There is no process {pid}, or it does not run '{path}'."
    elif error.errno == errno.EINVAL:
        error.hint = 'The program must have been loaded from a section "usdt".'
    return explain(error)


def _missing(error: BpfError, path: str, provider: str, name: str) -> str:
    if said(error, "failed to resolve full path") or not os.path.exists(path):
        return missing_in_file(error, path, None)
    return f"'{path}' has no USDT probe '{provider}:{name}': `readelf --notes` lists those that it has."
