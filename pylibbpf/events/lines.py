# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""LineReader: what streams of text have in common: the lines of trace_pipe, and of programs' streams."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections import deque
from collections.abc import AsyncIterator, Iterator
from time import monotonic
from typing import TYPE_CHECKING

from .._native import Handle
from ..errors import ClosedError
from . import waiting
from .waiting import LONGEST_WAIT, deadline_of

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class LineReader:
    """Lines of text, without their ends. Bytes that are no UTF-8 become surrogates (PEP 383).

    Iterating it waits for lines, until it is closed; so does `async for`. It may be used from
    several threads: each line goes to one of them.
    """

    _handle: Handle

    def _set_up(self, fd: int, what: str) -> None:
        self._handle = Handle(fd, os.close, what=what)
        self._wake = Handle(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK), os.close, what=what)
        self._lock = threading.RLock()
        self._lines: deque[str] = deque()
        self._unfinished = b""

    def _read(self, fd: int) -> bytes:
        """What is there, without waiting."""
        raise NotImplementedError

    # The fd that is readable when there is something, and the longest wait for it.
    def _ready(self, fd: int) -> tuple[int | None, float]:
        return fd, LONGEST_WAIT

    @property
    def unfinished(self) -> str:
        """The beginning of a line whose end was not read yet."""
        return self._unfinished.decode(errors="surrogateescape")

    def read_lines(self, *, timeout: float | None = None) -> list[str]:
        """Waits until there are lines, and returns those that are there.

        Args:
            timeout: seconds to wait at most; 0 for not at all, None for without end.

        Returns:
            The lines, in order; none after the timeout.

        Raises:
            ClosedError: this is closed, also by another thread during the wait.
            StateError: this is a forked child.
            NotSupportedError: the kernel has no such stream.
        """
        deadline = deadline_of(timeout)
        while not self._fill():
            if not self._wait(deadline):
                break
        lines: list[str] = []
        # One by one, each atomically: other threads take lines too.
        with contextlib.suppress(IndexError):
            while True:
                lines.append(self._lines.popleft())
        return lines

    def __iter__(self) -> Iterator[str]:
        """Yields lines, waits for more, and ends when this is closed."""
        while True:
            try:
                yield self._lines.popleft()
            except IndexError:
                try:
                    if not self._fill():
                        self._wait(None)
                except ClosedError:
                    return

    async def __aiter__(self) -> AsyncIterator[str]:
        """The same in the running event loop."""
        while True:
            try:
                yield self._lines.popleft()
            except IndexError:
                try:
                    if not self._fill():
                        await self._wait_async()
                except ClosedError:
                    return

    def _fill(self) -> bool:
        """Takes what is there. Whether there is a line now."""
        self._handle.require_own_process()
        with self._lock, self._handle as fd:
            self._fill_from(fd)
        return bool(self._lines)

    def _fill_from(self, fd: int) -> None:
        while not self._lines and (data := self._read(fd)):
            *lines, self._unfinished = (self._unfinished + data).split(b"\n")
            self._lines.extend(line.decode(errors="surrogateescape") for line in lines)

    def _wait(self, deadline: float | None) -> bool:
        """Waits once; False if the time is over."""
        with self._handle as fd, self._wake as wake:
            ready, seconds = self._ready(fd)
            if deadline is not None:
                seconds = min(seconds, deadline - monotonic())
            if seconds <= 0:
                return False
            waiting.poll_once(seconds, wake, ready)
        return True

    async def _wait_async(self) -> None:
        import asyncio

        with self._handle as fd, self._wake as wake:
            ready, seconds = self._ready(fd)
            fds = [wake] if ready is None else [wake, ready]
            waits = [asyncio.ensure_future(waiting.readable(seconds, each)) for each in fds]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._handle.closed

    def close(self) -> None:
        """Ends it, and every wait for it. Idempotent."""
        self._handle.close()
        with contextlib.suppress(ClosedError), self._wake as wake:
            if not self._wake.forked:
                os.eventfd_write(wake, 1)
            self._wake.close()

    def __enter__(self) -> Self:
        with self._handle:
            return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        handle: Handle | None = getattr(self, "_handle", None)
        if handle is not None and not handle.closed and not handle.forked:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._handle.what}{', closed' if self.closed else ''}>"
