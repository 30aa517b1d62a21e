# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on perf events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import ProgramType
from .alone import LoadedAlone

if TYPE_CHECKING:
    from ..fds import HasFileno
    from ..link import Link


class PerfEvent(LoadedAlone):
    """Runs on a perf event: a timer, a counter, a breakpoint.

    Section: perf_event. Kernel: 4.9.
    """

    _type = ProgramType.PERF_EVENT
    _sections = ("perf_event",)

    def attach(self, event: int | HasFileno, *, cookie: int = 0) -> Link:
        """Attaches it to a perf event that is open. The link is tracked: `detach`, `take_link`.

        `PerfEvents` opens events, attaches to all of them, and closes all.

        Args:
            event: the event's fd, or an object with one, from `open_perf_event`.
            cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).

        Raises:
            StateError: it is not loaded.
            TypeError: the fd is of something else.
            ExistsError, NotSupportedError, BpfError: as `link.attach_perf_event`.

        libbpf: bpf_link_create, bpf_program__attach_perf_event_opts.
        """
        from ..link import attach_perf_event

        self._require_open()
        return self._track(attach_perf_event(self, event, cookie=cookie))
