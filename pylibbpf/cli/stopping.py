# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Stop: an end of reading that comes by Ctrl-C, SIGTERM or the clock, and never in the middle of one."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


# Seconds of one wait: poll counts milliseconds in an int.
_LONGEST = 86400.0


class Stop:
    """While it is open, the first SIGINT or SIGTERM makes its fd readable; a second one is as ever.

    Args:
        seconds: ends by itself after so long; None for never.
    """

    def __init__(self, seconds: float | None) -> None:
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._before = {
            number: signal.signal(number, self._end) for number in (signal.SIGINT, signal.SIGTERM)
        }
        self._asked = False

    def _end(self, number: int, frame: object) -> None:
        self._asked = True
        os.eventfd_write(self._fd, 1)
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def fileno(self) -> int:
        return self._fd

    def wait(self) -> None:
        """Waits for the end."""
        poll = select.poll()
        poll.register(self, select.POLLIN)
        while not self.is_over():
            poll.poll(self.left(_LONGEST) * 1000)

    def left(self, most: float) -> float:
        """Seconds to wait, `most` at most."""
        return most if self._deadline is None else max(0.0, min(most, self._deadline - time.monotonic()))

    def is_over(self) -> bool:
        return self._asked or (self._deadline is not None and time.monotonic() >= self._deadline)

    def __enter__(self) -> Stop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._fd)
