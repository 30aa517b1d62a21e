# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on kernel tracepoints."""

from __future__ import annotations

import os

from ..enums import ProgramType
from .program import AutoAttached


class TracePoint(AutoAttached):
    """Runs on a tracepoint, with the stable format of tracefs.

    Section: tracepoint/CATEGORY/NAME, tp/CATEGORY/NAME. Kernel: 4.7.
    """

    _type = ProgramType.TRACEPOINT
    _sections = (
        "tracepoint",
        "tp",
    )

    def _attach_hint(self, number: int) -> str:
        mounts = ("/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events")
        if not any(os.path.isdir(path) for path in mounts):
            return "tracefs is not mounted: `mount -t tracefs tracefs /sys/kernel/tracing`."
        return super()._attach_hint(number)


class RawTracePoint(AutoAttached):
    """Runs on a tracepoint, with its raw arguments.

    Section: raw_tracepoint/NAME, raw_tp/NAME. Kernel: 4.17.
    """

    _type = ProgramType.RAW_TRACEPOINT
    _sections = (
        "raw_tracepoint",
        "raw_tp",
    )


class RawTracePointWritable(AutoAttached):
    """Runs on a writable tracepoint and may change its argument.

    Section: raw_tracepoint.w/NAME, raw_tp.w/NAME. Kernel: 5.2.
    """

    _type = ProgramType.RAW_TRACEPOINT_WRITABLE
    _sections = (
        "raw_tracepoint.w",
        "raw_tp.w",
    )
