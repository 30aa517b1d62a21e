# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attachments without a link, which stand in for one: what their handles hold, and the class of both."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from .._native import Handle, object_info
from ..errors import BpfError, Error, NotSupportedError, from_errno
from ..since import LINK_TYPES
from .create import require_program
from .link import Link

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..enums import LinkType
    from ..programs import Program


class Holds(Protocol):
    """What the handle of an attachment holds."""

    attached: bool

    def end(self) -> None: ...
    def fds(self) -> list[int]: ...


class Attachment:
    """An attachment that names its program to detach it: a duplicate of the program's fd, and how.

    Attributes:
        program_fd: the program that is attached now.
        attached: whether it is to be detached.
        error: why it could not be detached, if so.
    """

    def __init__(self, program_fd: int) -> None:
        self.program_fd = fcntl.fcntl(program_fd, fcntl.F_DUPFD_CLOEXEC, 3)
        self.attached = False
        self.error: Error | None = None
        self._update = threading.Lock()

    def _detach(self) -> Error | None:
        """Detaches the program; the error if that was refused. That somebody else did it before is none."""
        raise NotImplementedError

    def _swap(self, program_fd: int) -> None:
        """Attaches another program in the place of `program_fd`, without a moment in which none is."""
        raise NotImplementedError

    def fds(self) -> list[int]:
        return [self.program_fd]

    def end(self) -> None:
        """Detaches it and closes the fds. The handle calls it once, after the last borrow."""
        try:
            if self.attached:
                self.error = self._detach()
        finally:
            for fd in self.fds():
                os.close(fd)

    def replace(self, program_fd: int, old_id: int | None) -> None:
        """Attaches another program in its place, as BPF_LINK_UPDATE would."""
        with self._update:
            if old_id is not None and old_id != program_id(self.program_fd):
                hint = "Another program than `old` is attached."
                raise from_errno(errno.EPERM, "update", "an attachment", hint=hint)
            duplicate = fcntl.fcntl(program_fd, fcntl.F_DUPFD_CLOEXEC, 3)
            try:
                self._swap(duplicate)
                duplicate, self.program_fd = self.program_fd, duplicate
            finally:
                os.close(duplicate)


def program_id(fd: int) -> int:
    """The id of a program's fd."""
    return int(object_info(fd, "bpf_prog_info", "a program")[0].id)


def hold(attachment: Holds, attach: Callable[[], object]) -> Handle:
    """Attaches, and returns the handle of the attachment. It is closed if `attach` raises."""
    handle = Handle(attachment, type(attachment).end, fds=type(attachment).fds)
    # Before the call: a signal handler may raise when it returns.
    attachment.attached = True
    try:
        attach()
    except BaseException as error:
        # What the kernel refused or never saw; otherwise closing detaches it.
        attachment.attached = not isinstance(error, (BpfError, TypeError, ValueError, OverflowError))
        handle.close()
        raise
    return handle


class LinkOrAttachment(Link):
    """A link that an attachment can stand in for, at the caller's wish: `legacy=True`."""

    _updatable = True
    _kernel_type: ClassVar[LinkType]

    @classmethod
    def _of_attachment(cls, handle: Handle) -> Self:
        """What the caller gets of an attachment without a link. `close()` detaches."""
        return cast("Self", cls._make(handle, -1, None, None, owned=True))

    def _no_link(self, operation: str) -> NotSupportedError:
        return NotSupportedError(
            errno.EOPNOTSUPP,
            f"{operation} an attachment that is no link",
            hint="It was attached with legacy=True. "
            f"There are links for it since Linux {LINK_TYPES[self._kernel_type]}.",
        )

    def _fd_handle(self) -> Handle:
        if not self.is_bpf_link:
            raise self._no_link("lend the fd of")
        return super()._fd_handle()

    def fileno(self) -> int:
        """The link's fd, which stays this object's.

        Raises:
            NotSupportedError: this attachment is no link.
        """
        fd = super().fileno()
        if not self.is_bpf_link:
            raise self._no_link("tell the fd of")
        return fd

    def update(self, program: Program, *, old: Program | None = None, flags: int = 0) -> None:
        """Puts another program into its place, without a moment in which none is attached.

        Args:
            program: a loaded program of the same type and attach type.
            old: if given, fail unless this is the program attached now.
            flags: BPF_F_* for BPF_LINK_UPDATE; none for an attachment that is no link.

        Raises:
            PermissionDeniedError: `old` is not the attached program.
            BpfError: the kernel refused.

        libbpf: bpf_link_update (5.7); bpf_prog_attach_opts for an attachment that is no link (5.6).
        """
        if self.is_bpf_link:
            super().update(program, old=old, flags=flags)
            return
        require_program(program)
        if flags:
            raise ValueError("an attachment that is no link is updated without flags")
        with self._handle as attachment, program._fd_handle() as program_fd:
            attachment.replace(program_fd, None if old is None else old.id)

    def close(self) -> None:
        """Gives up the link, and with it the attachment unless it is pinned or held elsewhere. Idempotent.

        An attachment that is no link is detached.

        Raises:
            BpfError: the kernel refused to detach an attachment that is no link.
        """
        if self._link_type is not None:
            self._handle.close()
            return
        attachment = self._handle._value
        super().close()
        if attachment is not None and attachment.error is not None:
            error, attachment.error = attachment.error, None
            raise error
