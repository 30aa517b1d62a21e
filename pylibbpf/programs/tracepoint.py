# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on kernel tracepoints."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..enums import ProgramType
from .program import AutoAttached

if TYPE_CHECKING:
    from ..link import Link


class TracePoint(AutoAttached):
    """Runs on a tracepoint, with the stable format of tracefs.

    Section: tracepoint/CATEGORY/NAME, tp/CATEGORY/NAME. Kernel: 4.7.
    """

    _type = ProgramType.TRACEPOINT
    _sections = ("tracepoint", "tp")

    def _attach_hint(self, number: int) -> str:
        mounts = ("/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events")
        if not any(os.path.isdir(path) for path in mounts):
            return "tracefs is not mounted: `mount -t tracefs tracefs /sys/kernel/tracing`."
        return super()._attach_hint(number)


class _RawTracePoint(AutoAttached):
    """What raw tracepoint programs of both kinds have in common."""

    def load(self) -> None:
        """Loads this program alone, out of its object, which is prepared if it was not.

        Raises:
            StateError: it is loaded already, or a load of its object failed.
            VerifierError: the verifier rejected it.
            NotSupportedError: the libbpf in use is older than 1.6.

        libbpf: bpf_object__prepare, bpf_prog_load.
        """
        self._load_alone(False)

    def attach(self, name: str | None = None, *, cookie: int = 0) -> Link:
        """Attaches it to a tracepoint. The link is tracked: `detach`, `take_link`.

        Args:
            name: the tracepoint, "sched_switch"; by default what the section names.
            cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (6.9).

        Raises:
            TypeError: neither the section nor the caller names a tracepoint.
            NotFoundError: there is no such tracepoint.
            StateError: it is not loaded.

        libbpf: bpf_program__attach_raw_tracepoint, bpf_raw_tracepoint_open.
        """
        from ..link import attach_raw_tracepoint

        self._require_open()
        name = name or self.section.partition("/")[2]
        if not name:
            raise TypeError(f"program '{self.name}': attach() needs the name of a tracepoint")
        return self._track(attach_raw_tracepoint(self, name, cookie=cookie))


class RawTracePoint(_RawTracePoint):
    """Runs on a tracepoint, with its raw arguments.

    Section: raw_tracepoint/NAME, raw_tp/NAME. Kernel: 4.17.
    """

    _type = ProgramType.RAW_TRACEPOINT
    _sections = ("raw_tracepoint", "raw_tp")


class RawTracePointWritable(_RawTracePoint):
    """Runs on a writable tracepoint and may change its argument.

    Section: raw_tracepoint.w/NAME, raw_tp.w/NAME. Kernel: 5.2.
    """

    _type = ProgramType.RAW_TRACEPOINT_WRITABLE
    _sections = ("raw_tracepoint.w", "raw_tp.w")
