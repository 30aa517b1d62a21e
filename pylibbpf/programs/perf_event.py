# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on perf events."""

from __future__ import annotations

from ..enums import ProgramType
from .program import Program


class PerfEvent(Program):
    """Runs on a perf event: a timer, a counter, a breakpoint.

    Section: perf_event. Kernel: 4.9.
    """

    _type = ProgramType.PERF_EVENT
    _sections = ("perf_event",)
