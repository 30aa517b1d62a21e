# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""TracePipe: the lines that programs write by bpf_printk (bpf_trace_printk, Linux 4.1)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import from_errno
from .lines import LineReader

if TYPE_CHECKING:
    from .._native import StrPath

# Where tracefs is mounted: since Linux 4.1, and before.
_PLACES = ("/sys/kernel/tracing/trace_pipe", "/sys/kernel/debug/tracing/trace_pipe")


class TracePipe(LineReader):
    """The lines of the kernel's trace_pipe: what all programs write by bpf_printk, and traced events::

        with TracePipe() as lines:
            for line in lines:
                print(line)

    There is one for the whole system: lines are taken out of it, so that each goes to one of its
    readers. For debugging; a ring buffer is for events.

    Args:
        path: another one, such as that of a tracing instance; by default that of tracefs, which
            must be mounted.

    Raises:
        NotFoundError: tracefs is not mounted.
        PermissionDeniedError: only root may read it.
    """

    def __init__(self, path: StrPath | None = None) -> None:
        places = [path] if path is not None else list(_PLACES)
        failed: OSError | None = None
        for place in places:
            try:
                # The first failure says more: the second place is a fallback.
                fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                failed = failed or error
            else:
                self._set_up(fd, os.fsdecode(place))
                return
        assert failed is not None
        made = from_errno(failed.errno or 0, "open", f"'{os.fsdecode(places[0])}'", hint=_hint(failed))
        raise made from failed

    def _read(self, fd: int) -> bytes:
        try:
            return os.read(fd, 64 * 1024)
        except BlockingIOError:
            return b""


def _hint(error: OSError) -> str:
    return (
        "Mount tracefs: mount -t tracefs tracefs /sys/kernel/tracing"
        if isinstance(error, FileNotFoundError)
        else ""
    )
