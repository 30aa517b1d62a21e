# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The exceptions that pylibbpf raises.

What the kernel or libbpf answered is a `BpfError`, an `OSError` with an errno.
What the program did wrong is one of the misuse errors below it. Where Python
has a built-in exception that a programmer would catch, the class is that too.
"""

from __future__ import annotations

import errno as _errno
import os
from collections.abc import Iterable, Sequence

# Not when it is needed: a process that gave up its rights may not be able to read it any more.
from .permissions import what_stands_in_the_way
from .suggestions import close_matches

# Type checkers take a name like this for true; typing itself would cost 5 ms to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Kernel-internal, but it leaks out of bpf(2), for example for a fentry program without trampolines.
ENOTSUPP = 524


class Error(Exception):
    """Root of every exception that pylibbpf raises on purpose."""


class BpfError(Error, OSError):
    """The kernel or libbpf refused an operation.

    Attributes:
        errno: the error number, libbpf's own (4000 and up) included.
        operation: what was tried, "attach program".
        subject: what it was tried on, "'handle_exec'", or None.
        messages: the lines that libbpf logged during the call.
        hint: what to do about it, or "".
    """

    operation: str
    subject: str | None
    messages: tuple[str, ...]
    hint: str

    def __init__(
        self,
        errno: int,
        operation: str,
        subject: str | None = None,
        *,
        messages: Iterable[str] = (),
        hint: str = "",
    ) -> None:
        OSError.__init__(self, errno, describe(errno))
        self.operation = operation
        self.subject = subject
        self.messages = tuple(messages)
        self.hint = hint

    def _headline(self) -> str:
        what = f"cannot {self.operation}" + (f" {self.subject}" if self.subject else "")
        number = self.errno or 0
        return f"{what}: {self.strerror} ({name_of(number)})"

    def __str__(self) -> str:
        lines = [self._headline()]
        lines += [f"  libbpf: {_one_line(message)}" for message in self.messages[-8:]]
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class NotFoundError(BpfError, FileNotFoundError):
    """What was named does not exist: a file, a pin, an id, a kernel function, a network device."""


class ExistsError(BpfError, FileExistsError):
    """It exists already: a pin, a map key under NO_EXIST, an attachment."""


class PermissionDeniedError(BpfError, PermissionError):
    """The kernel refused for lack of a right. The hint names the capability, lockdown or sysctl."""


class NotSupportedError(BpfError):
    """The running kernel, or the libbpf in use, does not have it. The message says since when there is."""


class FormatError(BpfError, ValueError):
    """The input is not what it should be: not ELF, no BPF in it, broken BTF. `errno` is libbpf's code."""


class VerifierError(BpfError):
    """The kernel's verifier rejected a program.

    `log` holds the whole verifier log. The message has the program, the source
    line and the verifier's last words.

    Attributes:
        program: name of the rejected program.
        section: its ELF section, or "".
        log: the verifier's log, complete.
        source: the source line that the verifier was at, "tool.bpf.c:12: x = 1", or "".
        reason: the verifier's last words.
    """

    def __init__(
        self,
        errno: int,
        program: str,
        log: str,
        *,
        section: str = "",
        messages: Iterable[str] = (),
        hint: str = "",
    ) -> None:
        super().__init__(errno, "load program", f"'{program}'", messages=messages, hint=hint)
        self.program = program
        self.section = section
        self.log = log
        self.reason, self.source = _last_words(log)

    def __str__(self) -> str:
        section = f" ({self.section})" if self.section else ""
        lines = [f"the verifier rejected program '{self.program}'{section}: {name_of(self.errno or 0)}"]
        if self.source:
            lines.append(f"  at {_one_line(self.source)}")
        lines += [f"  {_one_line(line)}" for line in self.reason.splitlines()]
        if self.hint:
            lines.append(f"  {self.hint}")
        lines.append(f"  The whole log, {self.log.count(chr(10))} lines, is in the exception's `log`.")
        return "\n".join(lines)


class ClosedError(Error, ValueError):
    """The object was closed before."""


class StateError(Error, RuntimeError):
    """Right call, wrong time: load twice, configure after load, attach before load."""


class NotAttachedError(Error, ValueError):
    """The link is not one that this program tracks."""


class ProgramTypeError(Error, TypeError):
    """The program is of another kind than the one asked for."""


class MapTypeError(Error, TypeError):
    """The map is of another kind than the one asked for."""


class NameNotFoundError(Error, KeyError):
    """There is no program, map, variable or type of that name.

    Attributes:
        kind: "program", "map", "variable", "BTF type".
        name: the name asked for.
        matches: existing names that look like it.
        hint: what to do about it, or "".
    """

    def __init__(self, kind: str, name: str, candidates: Iterable[str] = (), *, hint: str = "") -> None:
        super().__init__(name)
        self.kind = kind
        self.name = name
        self.hint = hint
        names = list(candidates)
        self.matches = close_matches(name, names)
        self._names = names[:8] if not self.matches else []
        self._more = max(0, len(names) - 8)

    def __str__(self) -> str:
        message = f"no {self.kind} is called '{self.name}'"
        if self.matches:
            message += f"; did you mean {_listed(self.matches)}?"
        elif self._names:
            message += f"; there are {_listed(self._names)}{' and more' if self._more else ''}"
        return f"{message}\n  {self.hint}" if self.hint else message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


# libbpf's table of its own errors has no entry for LIBBPF_ERRNO__LOAD.
_LIBBPF_ERRORS = {
    4000: ("LIBELF", "something wrong in libelf"),
    4001: ("FORMAT", "BPF object format invalid"),
    4002: ("KVERSION", "'version' section incorrect or lost"),
    4003: ("ENDIAN", "endian mismatch"),
    4004: ("INTERNAL", "internal error in libbpf"),
    4005: ("RELOC", "relocation failed"),
    4006: ("LOAD", "failed to load program"),
    4007: ("VERIFY", "kernel verifier blocks program loading"),
    4008: ("PROG2BIG", "program too big"),
    4009: ("KVER", "incorrect kernel version"),
    4010: ("PROGTYPE", "kernel doesn't support this program type"),
    4011: ("WRNGPID", "wrong pid in netlink message"),
    4012: ("INVSEQ", "invalid netlink sequence"),
    4013: ("NLPARSE", "incorrect netlink message parsing"),
}


def describe(errno: int) -> str:
    """What an error number of the kernel or of libbpf means."""
    if errno in _LIBBPF_ERRORS:
        return _LIBBPF_ERRORS[errno][1]
    return "Operation not supported by the kernel" if errno == ENOTSUPP else os.strerror(errno)


def name_of(errno: int) -> str:
    """The name of an error number: ENOENT, LIBBPF_ERRNO__FORMAT."""
    if errno in _LIBBPF_ERRORS:
        return f"LIBBPF_ERRNO__{_LIBBPF_ERRORS[errno][0]}"
    return "ENOTSUPP" if errno == ENOTSUPP else _errno.errorcode.get(errno, f"error {errno}")


_OTHER_BYTE_ORDER = (
    "It was compiled for machines of the other byte order; `clang -target bpf` compiles for that of this one."
)

_CLASS_OF_ERRNO: dict[int, type[BpfError]] = {
    _errno.ENOENT: NotFoundError,
    _errno.ENODEV: NotFoundError,
    _errno.EEXIST: ExistsError,
    _errno.EPERM: PermissionDeniedError,
    _errno.EACCES: PermissionDeniedError,
    _errno.EOPNOTSUPP: NotSupportedError,
    _errno.ENOSYS: NotSupportedError,
    ENOTSUPP: NotSupportedError,
}


def from_errno(
    errno: int, operation: str, subject: str | None = None, *, messages: Sequence[str] = (), hint: str = ""
) -> BpfError:
    """The exception for an error number, with a hint where one can be found."""
    if errno in _LIBBPF_ERRORS:
        if name_of(errno) == "LIBBPF_ERRNO__ENDIAN":
            hint = hint or _OTHER_BYTE_ORDER
        return FormatError(errno, operation, subject, messages=messages, hint=hint)
    kind = _CLASS_OF_ERRNO.get(errno, BpfError)
    if kind is PermissionDeniedError and not hint:
        hint = what_stands_in_the_way()
    return kind(errno, operation, subject, messages=messages, hint=hint)


def program_log(message: str) -> tuple[str, str]:
    """The program's name and the verifier log in one of libbpf's messages, or two empty strings."""
    head, begin, rest = message.partition(": -- BEGIN PROG LOAD LOG --\n")
    if not begin or not head.startswith("prog '"):
        return "", ""
    return head[len("prog '") : -1], rest.rpartition("-- END PROG LOAD LOG --")[0]


def _last_words(log: str) -> tuple[str, str]:
    """The reason and the source line at the end of a verifier log.

    Source lines are written as "; code @ file.c:12" since 6.9 and as "; code"
    before (kernel/bpf/verifier.c:verbose_linfo, print of bpf_line_info).
    """
    lines = [line for line in log.splitlines() if line.strip()]
    while lines and (
        lines[-1].startswith(("processed ", "verification time ", "stack depth ", "max_states_per_insn"))
    ):
        lines.pop()
    source = next((line[2:].strip() for line in reversed(lines) if line.startswith("; ")), "")
    code, at, place = source.rpartition(" @ ")
    if at:
        source = f"{place}: {code}"
    # The verifier's reason stands behind the last instruction; an instruction begins with its number.
    reason: list[str] = []
    for line in reversed(lines):
        if line.startswith("; ") or _is_instruction(line):
            break
        reason.insert(0, line.rstrip())
    return "\n".join((reason or lines[-1:])[-6:]), source


def _is_instruction(line: str) -> bool:
    number, colon, _ = line.partition(":")
    return bool(colon) and number.isdigit()


def _one_line(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= 400 else line[:397] + "..."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _rebuild(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """Unpickles an exception without its constructor, whose arguments differ from class to class."""
    error = cls.__new__(cls, *args)
    if isinstance(error, OSError):
        OSError.__init__(error, *args)
    error.args = args
    error.__dict__.update(state)
    return error
