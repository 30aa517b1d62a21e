# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Waits that Ctrl-C or a signal to end makes an end of, and that is no failure."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from typing import NoReturn


def wait(seconds: float | None) -> None:
    """Waits so long, or until Ctrl-C."""
    with ended_by_signals():
        while seconds is None:
            signal.pause()
        time.sleep(seconds)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGINT and SIGTERM end what is in the `with`, and what comes behind it goes on."""

    def end(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
