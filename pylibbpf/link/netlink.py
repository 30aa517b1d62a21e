# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attachments through netlink, in the place of links: XDP and traffic control.

What is attached so belongs to the device: it outlives the process, and everyone with
CAP_NET_ADMIN may take it away. Netlink speaks to the network namespace of the thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading

from ..errors import BpfError, StateError, from_errno


class NetlinkAttachment:
    """What the handle of such an attachment holds.

    Attributes:
        index: the device's.
        program_fd: a duplicate, of the program that is attached now.
        attached: whether it is to be detached.
        error: why it could not be detached, if so.
    """

    def __init__(self, index: int, program_fd: int) -> None:
        self.index = index
        self.program_fd = fcntl.fcntl(program_fd, fcntl.F_DUPFD_CLOEXEC, 3)
        self.attached = False
        self.error: Exception | None = None
        self._namespace = _namespace()
        self._update = threading.Lock()

    def attach(self, program_fd: int, old_fd: int) -> int:
        """Attaches a program, in the place of an old one if that is not negative. Returns 0 or -errno."""
        raise NotImplementedError

    def detach(self) -> int:
        """Detaches the program if it is still there. Returns 0 or -errno."""
        raise NotImplementedError

    def fds(self) -> list[int]:
        return [self.program_fd]

    def end(self) -> None:
        """Detaches it and closes the fd. The handle calls it once, after the last borrow."""
        try:
            if self.attached:
                self.require_namespace()
                result = self.detach()
                # The device is gone, or somebody else has taken the program away.
                if result < 0 and result not in (-errno.ENODEV, -errno.ENOENT, -errno.EEXIST):
                    self.error = from_errno(-result, "detach", f"a program from interface {self.index}")
        except StateError as error:
            self.error = error
        finally:
            os.close(self.program_fd)

    def replace(self, program_fd: int, old_id: int | None) -> None:
        """Attaches another program in its place, without a moment in which none is attached."""
        from .program_attach import program_id

        with self._update:
            self.require_namespace()
            if old_id is not None and old_id != program_id(self.program_fd):
                raise from_errno(
                    errno.EPERM, "update", "an attachment", hint="Another program than `old` is attached."
                )
            duplicate = fcntl.fcntl(program_fd, fcntl.F_DUPFD_CLOEXEC, 3)
            try:
                result = self.attach(duplicate, self.program_fd)
                if result < 0:
                    raise self._refused(-result)
                duplicate, self.program_fd = self.program_fd, duplicate
            finally:
                os.close(duplicate)

    def _refused(self, number: int) -> BpfError:
        hint = "Either the new program is of another kind, or somebody else has replaced the old one."
        return from_errno(number, "update", f"an attachment to interface {self.index}", hint=hint)

    def require_namespace(self) -> None:
        """Raises StateError in another namespace than that of the device: there the index is another's."""
        if _namespace() != self._namespace:
            raise StateError(
                f"interface {self.index} is in another network namespace than this thread: "
                "an attachment through netlink is changed and closed where it was made"
            )


def _namespace() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino
