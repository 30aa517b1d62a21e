# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How often and how long programs run: the kernel counts while somebody asks it to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._native import Handle, lib
from ..fds import open_as_admin

if TYPE_CHECKING:
    from typing_extensions import Self

# enum bpf_stats_type, its only member.
_RUN_TIME = 0


@dataclass(frozen=True)
class ProgramStats:
    """How often and how long a program ran while statistics were on.

    Attributes:
        run_count: number of runs.
        run_time_ns: nanoseconds spent in them.
        recursion_misses: runs left out because the program was running on that CPU (5.12).
    """

    run_count: int
    run_time_ns: int
    recursion_misses: int


class EnabledStats:
    """Keeps the kernel counting the runs of all programs, until it is closed. From `enable_stats`."""

    _handle: Handle

    def __init__(self) -> None:
        raise TypeError("program statistics are enabled by enable_stats()")

    def fileno(self) -> int:
        """The fd that keeps them enabled, which stays this object's."""
        with self._handle as fd:
            return int(fd)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._handle.closed

    def close(self) -> None:
        """Ends the counting, unless somebody else keeps it up. The counts stay. Idempotent."""
        self._handle.close()

    def __enter__(self) -> Self:
        with self._handle:
            return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        handle: Handle | None = getattr(self, "_handle", None)
        if handle is not None and not handle.closed and not handle.forked:
            warnings.warn(f"{self!r} were not closed", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"<program statistics, {'disabled' if self.closed else 'enabled'}>"


def enable_stats() -> EnabledStats:
    """Makes the kernel count the runs of every program, and the time they take: `Program.stats()`.

        with enable_stats():
            ...
            print(program.stats().run_count)

    It costs each run some 20 ns. The sysctl kernel.bpf_stats_enabled does the same for good (5.1).

    Returns:
        What keeps it enabled until it is closed.

    Raises:
        PermissionDeniedError: the process lacks CAP_SYS_ADMIN.
        NotSupportedError: the kernel is older than 5.8.

    libbpf: bpf_enable_stats (BPF_ENABLE_STATS, 5.8).
    """
    handle = open_as_admin(
        "Turning on run statistics", lib.call_bpf_enable_stats, _RUN_TIME,
        operation="enable program statistics",
    )  # fmt: skip
    handle.what = "object, which enabled program statistics,"
    self: EnabledStats = object.__new__(EnabledStats)
    self._handle = handle
    return self
