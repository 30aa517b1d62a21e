# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BPF_LINK_CREATE: what all attach functions that need no more than an fd have in common."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Protocol

from .._native import NULL, Handle, ffi, lib, open_fd
from ..enums import AttachType, ProgramType
from ..errors import BpfError, NotSupportedError, ProgramTypeError
from .link import Link

if TYPE_CHECKING:
    from .._libbpf import CData


class Attachable(Protocol):
    """What the attach functions take: a program of any origin."""

    name: str

    @property
    def type(self) -> ProgramType: ...
    @property
    def expected_attach_type(self) -> AttachType | None: ...
    def _fd_handle(self) -> Handle: ...


def require_program(program: Any, *types: ProgramType) -> None:
    """Raises TypeError for what is no program, ProgramTypeError for one of another type than these."""
    if not hasattr(program, "_fd_handle") or not hasattr(program, "expected_attach_type"):
        raise TypeError(f"a program is attached, not {type(program).__name__}")
    if program.type not in types:
        wanted = " or ".join(kind.name for kind in types)
        raise ProgramTypeError(f"program '{program.name}' is of type {program.type.name}, not {wanted}")


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
    where: str = "",
    since: str = "",
) -> Link:
    """Creates a link and returns it in the class of its type; the caller owns it.

    Args:
        program: the program.
        target_fd: what it attaches to: an fd, an interface's index, or 0.
        attach_type: where it attaches.
        options: struct bpf_link_create_opts.
        where: the target, in words, for errors.
        since: what needs which kernel, for an EINVAL that a kernel without it answers.

    libbpf: bpf_link_create.
    """
    operation = f"attach program '{program.name}'" + (" to" if where else "")
    with program._fd_handle() as fd:
        try:
            handle = open_fd(
                lib.call_bpf_link_create,
                fd,
                target_fd,
                attach_type,
                options,
                operation=operation,
                subject=where or None,
            )
        except BpfError as error:
            # A bpf_attr with fields that the kernel does not know is E2BIG.
            if since and error.errno in (errno.EINVAL, errno.E2BIG):
                raise NotSupportedError(error.errno, operation, where or None, hint=since) from error
            raise
    return Link._of_fd(handle, owned=True)
