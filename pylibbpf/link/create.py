# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BPF_LINK_CREATE: what all attach functions that need no more than an fd have in common."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from .._native import NULL, Handle, create, ffi, lib
from ..enums import AttachType, LinkType, ProgramType
from ..errors import BpfError, ClosedError, NotSupportedError, ProgramTypeError
from ..since import why_not
from .link import Link
from .target import describe_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._libbpf import CData
    from ..programs.info import ProgramInfo


class Attachable(Protocol):
    """What the attach functions take: a program of any origin."""

    name: str
    section: str  # "" for a program that came from the kernel

    @property
    def closed(self) -> bool: ...
    @property
    def type(self) -> ProgramType: ...
    @property
    def expected_attach_type(self) -> AttachType | None: ...
    def info(self) -> ProgramInfo: ...
    def _fd_handle(self) -> Handle: ...


def require_program(program: Any, *types: ProgramType) -> None:
    """Raises TypeError for what is no program, ClosedError for a closed one, and ProgramTypeError for one
    of another type than these; any will do if none is given."""
    # Of the class: of the program, hasattr would ask libbpf for the attach type.
    kind = type(program)
    if not hasattr(kind, "_fd_handle") or not hasattr(kind, "expected_attach_type"):
        raise TypeError(f"a program is attached, not {type(program).__name__}")
    if program.closed:
        raise ClosedError(f"program '{program.name}' is closed")
    if types and program.type not in types:
        wanted = " or ".join(kind.name for kind in types)
        raise ProgramTypeError(f"program '{program.name}' is of type {program.type.name}, not {wanted}")


def raise_explained(error: BpfError, explained: BpfError) -> NoReturn:
    """Raises what a refusal means: the error itself, which has its hint by now, or one that it caused."""
    if explained is error:
        raise error
    raise explained from error


def link_options() -> CData:
    """A zeroed struct bpf_link_create_opts."""
    options = ffi.new("struct bpf_link_create_opts *")
    options.sz = ffi.sizeof("struct bpf_link_create_opts")
    return options


def create_link(
    program: Attachable,
    target_fd: int,
    attach_type: AttachType,
    options: CData = NULL,
    *,
    where: str | Callable[[], str] = "",
    target: object = None,
    link_type: LinkType | None = None,
    since: str | Callable[[], str] = "",
    hint: str = "",
    kind: type[Link] = Link,
) -> Link:
    """Creates a link and returns it in the class of its type; the caller owns it.

    Args:
        program: the program.
        target_fd: what it attaches to: an fd, an interface's index, or 0.
        attach_type: where it attaches.
        options: struct bpf_link_create_opts.
        where: the target in words, or what makes them, for errors.
        target: instead, the target as the caller gave it, from which an error makes the words.
        link_type: the type of link that is made, where that is known.
        since: what needs which kernel, or what finds that out, for an EINVAL of a kernel without it.
        hint: what to do about any other error.
        kind: the class to return it in, `RawLink` for one that takes every type.

    Raises:
        NotSupportedError: this kernel has no such link, or no such option.
        BpfError: it refused.

    libbpf: bpf_link_create.
    """
    with program._fd_handle() as fd:
        try:
            handle = create(
                lib.call_bpf_link_create, fd, target_fd, attach_type, options,
                free=os.close, operation="attach",
            )  # fmt: skip
        except BpfError as error:
            if target is not None:
                where = describe_target(target)
            words = where() if callable(where) else where
            error.operation = f"attach program '{program.name}'" + (" to" if words else "")
            error.subject = words or None
            raise_explained(error, _explained(error, attach_type, link_type, since, hint))
    return kind._of_fd(handle, owned=True, type=link_type)


def _explained(
    error: BpfError,
    attach_type: AttachType,
    link_type: LinkType | None,
    since: str | Callable[[], str],
    hint: str,
) -> BpfError:
    """The error, as one that says what this kernel lacks, if it is known to lack something."""
    missing = (link_type is not None and why_not(link_type)) or why_not(attach_type)
    # A bpf_attr with fields that the kernel does not know is E2BIG.
    if not missing and error.errno in (errno.EINVAL, errno.E2BIG):
        missing = since() if callable(since) else since
    if not missing:
        error.hint = error.hint or hint
        return error
    return NotSupportedError(
        error.errno or 0,
        error.operation,
        error.subject,
        messages=error.messages,
        hint=f"{missing} {hint}".strip(),
    )
