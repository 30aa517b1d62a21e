# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attachments through netlink, in the place of links: XDP and traffic control.

What is attached so belongs to the device: it outlives the process, and everyone with
CAP_NET_ADMIN may take it away. Netlink speaks to the network namespace of the thread.
"""

from __future__ import annotations

import errno
import os

from .._native import check
from ..errors import Error, StateError, from_errno
from .attachment import Attachment


class NetlinkAttachment(Attachment):
    """An attachment to a device, by its `index`."""

    def __init__(self, index: int, program_fd: int) -> None:
        super().__init__(program_fd)
        self.index = index
        self._namespace = _namespace()

    def attach(self, program_fd: int, old_fd: int) -> int:
        """Attaches a program, in the place of an old one if that is not negative. Returns 0 or -errno."""
        raise NotImplementedError

    def detach(self) -> int:
        """Detaches the program if it is still there. Returns 0 or -errno."""
        raise NotImplementedError

    def _detach(self) -> Error | None:
        try:
            self.require_namespace()
        except StateError as error:
            return error
        result = self.detach()
        # The device is gone, or somebody else has taken the program away.
        if result >= 0 or result in (-errno.ENODEV, -errno.ENOENT, -errno.EEXIST):
            return None
        return from_errno(-result, "detach", f"a program from interface {self.index}")

    def _swap(self, program_fd: int) -> None:
        self.require_namespace()
        result = self.attach(program_fd, self.program_fd)
        check(
            result, "update", f"an attachment to interface {self.index}",
            hint="Either the new program is of another kind, or somebody else has replaced the old one.",
        )  # fmt: skip

    def require_namespace(self) -> None:
        """Raises StateError in another namespace than that of the device: there the index is another's."""
        if _namespace() != self._namespace:
            raise StateError(
                f"interface {self.index} is in another network namespace than this thread: "
                "an attachment through netlink is changed and closed where it was made"
            )


def _namespace() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino
