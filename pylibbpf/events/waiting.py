# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Waits for an fd that a signal, a timeout, a cancellation or `close` can end."""

from __future__ import annotations

import contextlib
import os
import select
from time import monotonic

# The longest single wait, in seconds. A signal that arrives after Python's last look at signals and
# before the system call does not interrupt it: its handler runs when this is over. And records that
# are written without a wakeup keep the kernel from sending one for those behind them.
LONGEST_WAIT = 1.0
# How long to leave a source alone that twice said it is ready and then had nothing.
PAUSE = 0.001


def deadline_of(timeout: float | None) -> float | None:
    """When a timeout in seconds is over, as time.monotonic() counts; None for never, 0 for at once."""
    if timeout is None or timeout == float("inf"):
        return None
    if not timeout >= 0:
        raise ValueError(f"a timeout is a number of seconds from 0 on, or None, not {timeout}")
    return monotonic() + timeout if timeout else 0.0


class Waits:
    """The waits of one call, each of them the next attempt's.

    Args:
        deadline: when to give up.
        ready: the fd that says there may be something.
        wake: an fd that only `close` makes readable; `ready` does not have to include it.
        events: what of select.POLL* is waited for on `ready`.
    """

    __slots__ = ("_deadline", "_fruitless", "events", "ready", "wake")

    def __init__(self, deadline: float | None, ready: int, wake: int, events: int = select.POLLIN) -> None:
        self._deadline = deadline
        self._fruitless = 0
        self.ready = ready
        self.wake = wake
        self.events = events

    def next(self) -> tuple[float, bool]:
        """Seconds to wait, 0 or less if the time is over, and whether `ready` may end the wait.

        A source may be ready and have nothing to give: a ring while a program holds the oldest
        record reserved, or when records were discarded. Do not spin over the former.
        """
        deadline = self._deadline
        left = LONGEST_WAIT if deadline is None else min(deadline - monotonic(), LONGEST_WAIT)
        self._fruitless += 1
        if self._fruitless % 3:
            return left, True
        return min(left, PAUSE), False

    def wait(self) -> bool:
        """Waits once; False if the time is over. A signal handler that raises ends it (PEP 475)."""
        seconds, ready = self.next()
        if seconds <= 0:
            return False
        poll_once(seconds, self.wake, self.ready if ready else None, self.events)
        return True

    async def wait_async(self) -> bool:
        """The same in the running event loop, for a `ready` that is readable on close too."""
        seconds, ready = self.next()
        if seconds <= 0:
            return False
        await readable(seconds, self.ready if ready else self.wake)
        return True


def poll_once(seconds: float, wake: int, ready: int | None, events: int = select.POLLIN) -> None:
    """Waits until one of the fds is ready."""
    poll = select.poll()
    poll.register(wake, select.POLLIN)
    if ready is not None:
        poll.register(ready, events)
    # Rounded up: a poll of less than a millisecond would not wait at all.
    poll.poll(-(-seconds * 1000 // 1))


async def readable(seconds: float, fd: int) -> None:
    """Waits in the running event loop until an fd is readable, or the time is over."""
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    # A number of its own: a loop takes one reader for each, and others may wait for the same.
    duplicate = os.dup(fd)
    try:
        loop.add_reader(duplicate, wake)
        timer = loop.call_later(seconds, wake)
        try:
            await future
        finally:
            timer.cancel()
    finally:
        # A loop that was closed meanwhile has forgotten it, and may say so.
        with contextlib.suppress(RuntimeError):
            loop.remove_reader(duplicate)
        os.close(duplicate)
