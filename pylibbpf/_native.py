# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The one door to C: calls with their errors, and handles that own C pointers and fds.

Who keeps what alive
--------------------
Every C pointer and every fd sits in a `Handle`. A call borrows it for as long
as it runs; `close()` marks the handle closed and whoever borrows it last frees
it. So `close()` never waits, and a thread inside a call never sees its pointer
freed or its fd number given to somebody else.

A finalizer may run between any two bytecodes, on any thread, also inside a
call of this module. It therefore takes no lock and calls no libbpf: it puts
the handle on a queue, and the next call or close frees it.

After a fork both processes have the C memory and the fds. The child only ever
closes fds: detaching, unpinning or writing maps there would act on what is
still the parent's.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable

from ._libbpf import ffi as ffi  # noqa: PLC0414 - handed on
from ._libbpf import lib as lib  # noqa: PLC0414
from .errors import BpfError, ClosedError, NotSupportedError, StateError, from_errno

# Type checkers take a name like this for true; typing itself would cost 5 ms to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._libbpf import CData

    StrPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

NULL = ffi.NULL

lib.glue_init()


# --- calls --------------------------------------------------------------------

# enum libbpf_print_level
WARN, INFO, DEBUG = 0, 1, 2


class Call:
    """What one call of libbpf gave: its result, errno, and the lines that libbpf logged."""

    __slots__ = ("errno", "messages", "result")

    def __init__(self, result: Any, errno: int, messages: list[str]) -> None:
        self.result = result
        self.errno = errno
        self.messages = messages


def invoke(function: Callable[..., Any], *arguments: Any, level: int | None = None) -> Call:
    """Runs a call_ wrapper of the extension and collects what it left behind. Raises nothing of its own."""
    if _abandoned:
        collect()
    record = _new_record(level)
    done = _finish(function(record, *arguments), record)
    if not record.log.size:
        _keep_record(record)
    return done


def call(
    function: Callable[..., Any],
    *arguments: Any,
    operation: str,
    subject: str | None = None,
    hint: str = "",
) -> Any:
    """Runs a call_ wrapper; a negative result or NULL becomes the exception of its errno."""
    done = invoke(function, *arguments)
    if done.errno:
        raise error_of(done, operation, subject, hint=hint)
    return done.result


def create(
    function: Callable[..., Any],
    *arguments: Any,
    free: Callable[[Any], Any],
    operation: str,
    subject: str | None = None,
    hint: str = "",
    fds: Callable[[Any], Iterable[int]] | None = None,
) -> Handle:
    """Runs a call_ wrapper that makes something, and puts what it made into a handle.

    A signal handler may raise between the return of the C function and the
    next bytecode. What was made is then found in the record, and freed.
    """
    if _abandoned:
        collect()
    record = _new_record(None)
    handle = Handle(None, free, fds=fds)
    try:
        result = function(record, *arguments)
        failed = result < 0 if isinstance(result, int) else not result
        spoke = record.log.size
        if failed or spoke:
            done = _finish(result, record)
            if done.errno:
                raise error_of(done, operation, subject, hint=hint)
        handle._value = result
    except BaseException:
        made = record.result
        if made > 0:
            handle._value = made if fds is None and free is os.close else ffi.cast("void *", made)
            handle.close()
        raise
    # Not before: until here the record is the one that knows what was made.
    if not spoke:
        _keep_record(record)
    return handle


def open_fd(
    function: Callable[..., Any], *arguments: Any, operation: str, subject: str | None = None
) -> Handle:
    """Runs a call_ wrapper that returns a new fd, and puts the fd into a handle."""
    return create(function, *arguments, free=os.close, operation=operation, subject=subject)


def check(result: int, operation: str, subject: str | None = None, *, hint: str = "") -> int:
    """The result of a plain function that returns -errno: itself, or the exception of its errno."""
    if result < 0:
        raise error_of(Call(result, -result, []), operation, subject, hint=hint)
    return result


def object_info(fd: int, struct: str, what: str) -> tuple[CData, int]:
    """What the kernel says of an fd, and how many bytes of that struct it knows.

    Args:
        fd: a program, map, link or BTF.
        struct: the struct of its kind, "bpf_prog_info".
        what: its kind in words, for errors.

    libbpf: bpf_obj_get_info_by_fd.
    """
    info = ffi.new(f"struct {struct} *")
    size = ffi.new("uint32_t *", ffi.sizeof(info[0]))
    check(lib.bpf_obj_get_info_by_fd(fd, info, size), "get the info of", what)
    return info, size[0]


def error_of(done: Call, operation: str, subject: str | None = None, *, hint: str = "") -> BpfError:
    """The exception for a call that failed."""
    if done.errno == lib.GLUE_MISSING:
        return _missing_function(operation, subject)
    return from_errno(done.errno, operation, subject, messages=done.messages, hint=hint)


def _missing_function(operation: str, subject: str | None) -> BpfError:
    import errno

    function = lib.glue_missing_function()
    since = text(lib.glue_since(function)) if function else "a newer one"
    return NotSupportedError(
        errno.EOPNOTSUPP,
        operation,
        subject,
        hint=f"It needs libbpf {since} ({text(function)}), and this pylibbpf was built against the system's "
        f"libbpf {text(lib.libbpf_version_string())}. Build it "
        "without PYLIBBPF_SYSTEM_LIBBPF to get a newer one.",
    )


# Records that the next calls use again. Each is one call's at a time: list.pop and list.append are atomic.
_spare_records: list[CData] = []


def _new_record(level: int | None) -> CData:
    if level is None:
        level = DEBUG if _debugging() else INFO
    try:
        record = _spare_records.pop()
    except IndexError:
        record = ffi.gc(lib.glue_call_new(level), lib.glue_call_free)
        if not record:
            raise MemoryError from None
    else:
        record.level = level
    return record


def _keep_record(record: CData) -> None:
    """Keeps the record of a call that said nothing for another call."""
    if len(_spare_records) < 8:
        record.result = 0
        _spare_records.append(record)


def _finish(result: Any, record: CData) -> Call:
    if isinstance(result, int):
        # A few functions return a bare -1 where errno says nothing better.
        errno = 0 if result >= 0 else -result if result != -1 or not record.error else record.error
    else:
        errno = 0 if result else record.error or 22
    messages = _messages(record.log) if record.log.size else []
    if messages:
        messages = _log(messages)
    return Call(result, errno, messages)


def _messages(log: CData) -> list[str]:
    lines = ffi.unpack(log.data, log.size).decode(errors="replace").split("\0")
    return [line for line in lines if line]


_LOGGING_LEVELS = {"0": 30, "1": 20, "2": 10}


def _debugging() -> bool:
    """Whether somebody listens to libbpf's debug lines. Who has not imported logging does not."""
    logger = _logger()
    return logger is not None and bool(logger.isEnabledFor(10))


_known_logger: Any = None


def _logger() -> Any:
    """The "pylibbpf" logger, None as long as nobody has imported logging. Finding it takes a lock."""
    global _known_logger  # noqa: PLW0603 - what a process has one of
    if _known_logger is None and (logging := sys.modules.get("logging")) is not None:
        _known_logger = logging.getLogger("pylibbpf")
    return _known_logger


def _log(lines: list[str]) -> list[str]:
    """Sends libbpf's lines to the "pylibbpf" logger and returns them without their level."""
    logger = _logger()
    if logger is not None:
        if not logger.handlers:
            # Else logging's handler of last resort would print warnings to stderr.
            logger.addHandler(sys.modules["logging"].NullHandler())
        for line in lines:
            logger.log(_LOGGING_LEVELS[line[0]], "%s", line[1:].removeprefix("libbpf: ").rstrip("\n"))
    return [
        line[1:].removeprefix("libbpf: ").rstrip("\n") for line in lines if line[0] != "2" or "LOG --" in line
    ]


# --- handles ------------------------------------------------------------------

# Finalizers append here: deque.append is atomic and reentrant.
_abandoned: deque[Handle] = deque()


class _Process:
    """The process that made a handle. A fork replaces the current one in the child."""

    __slots__ = ()


_process = _Process()


def _after_fork_in_child() -> None:
    global _process  # noqa: PLW0603 - what a process has one of
    _process = _Process()


os.register_at_fork(after_in_child=_after_fork_in_child)


class Handle:
    """Owns one C pointer or fd, lends it to calls, and frees it once.

    `with handle as value:` borrows. A borrower that a KeyboardInterrupt cuts off
    between two bytecodes of `with` may leave its borrow behind; the handle is
    then freed when it is collected, not at close.

    Args:
        value: the pointer or fd.
        free: frees it, called with the value, once. For an fd, os.close.
        fds: for a pointer, the fds behind it: all that a forked child closes.
        what: what it is, for the message of ClosedError.
    """

    __slots__ = (
        "__weakref__",
        "_borrows",
        "_closed",
        "_fds",
        "_free",
        "_process",
        "_unfreed",
        "_value",
        "what",
    )

    def __init__(
        self,
        value: Any,
        free: Callable[[Any], Any],
        *,
        fds: Callable[[Any], Iterable[int]] | None = None,
        what: str = "object",
    ) -> None:
        self._value = value
        self._free = free
        self._fds = fds
        self._closed = False
        self._process = _process
        self.what = what
        # list.append and list.pop are atomic, so that no lock is needed: the length of
        # _borrows counts, and who pops the one item of _unfreed frees.
        self._borrows: list[None] = []
        self._unfreed: list[None] = [None]

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process that made the handle."""
        return self._process is not _process

    def __enter__(self) -> Any:
        self._borrows.append(None)
        if self._closed:
            self.release()
            raise ClosedError(f"this {self.what} is closed")
        return self._value

    def __exit__(self, *exception: object) -> None:
        self.release()

    def hold(self) -> Any:
        """Borrows until `release()`: what another handle does that needs this one alive."""
        return self.__enter__()

    def release(self) -> None:
        self._borrows.pop()
        if self._closed and not self._borrows:
            self._free_once()

    def require_own_process(self) -> None:
        """Raises StateError in a child of the process that made the handle."""
        if self._process is not _process:
            raise StateError(
                f"this {self.what} belongs to the process that opened it; "
                "after a fork the child opens its own"
            )

    def take(self) -> Any:
        """The value, which is the caller's to free from then on."""
        self._unfreed.pop()
        self._closed = True
        value, self._value = self._value, None
        return value

    def close(self) -> None:
        """Ends the handle. Idempotent; never waits: a call in progress frees it when it returns."""
        self._closed = True
        if not self._borrows:
            self._free_once()

    def __del__(self) -> None:
        # Nobody borrows what nobody can reach: a borrow left over is one that an
        # interrupt cut off. The queue keeps the handle until it is freed.
        if self._unfreed and self._value is not None:
            self._borrows.clear()
            _abandoned.append(self)

    def _free_once(self) -> None:
        try:
            self._unfreed.pop()
        except IndexError:
            return
        value, self._value = self._value, None
        if value is None:
            return
        if self._process is _process or self._free is os.close:
            self._free(value)
        elif self._fds is not None:
            for fd in self._fds(value):
                os.close(fd)


def collect() -> None:
    """Frees what finalizers have queued."""
    while _abandoned:
        try:
            handle = _abandoned.popleft()
        except IndexError:
            return
        handle.close()


# --- strings and paths ----------------------------------------------------------


def text(pointer: CData | None) -> str:
    """A C string as str; "" for NULL. Bytes that are no UTF-8 survive as surrogates."""
    return ffi.string(pointer).decode(errors="surrogateescape") if pointer else ""


def c_string(value: str | bytes, what: str) -> bytes:
    """A str or bytes as a C string. ValueError if it has a NUL byte, which C would cut it at."""
    if not isinstance(value, (str, bytes)):
        raise TypeError(f"{what} must be str, not {type(value).__name__}")
    encoded = value.encode(errors="surrogateescape") if isinstance(value, str) else value
    if b"\0" in encoded:
        raise ValueError(f"{what} must have no NUL byte: {value!r}")
    return encoded


def path_bytes(path: StrPath) -> bytes:
    """A path as a C string, from str, bytes or os.PathLike."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError(f"a path must have no NUL byte: {path!r}")
    return encoded


def libbpf_version() -> str:
    """The version of the libbpf in use: "1.7.0" (libbpf_major_version, libbpf_minor_version)."""
    return text(lib.libbpf_version_string()).removeprefix("v")
