# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on kernel tracepoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import ProgramType
from ..errors import BpfError
from .alone import LoadedAlone
from .program import AutoAttached

if TYPE_CHECKING:
    from ..link import Link


class TracePoint(LoadedAlone, AutoAttached):
    """Runs on a tracepoint, with the stable format of tracefs.

    Section: tracepoint/CATEGORY/NAME, tp/CATEGORY/NAME. Kernel: 4.7.
    """

    _type = ProgramType.TRACEPOINT
    _sections = ("tracepoint", "tp")

    def attach(self, category: str | None = None, name: str | None = None, *, cookie: int = 0) -> Link:
        """Attaches it to a tracepoint. The link is tracked: `detach`, `take_link`.

        Args:
            category: the tracepoint's category, "syscalls"; by default what the section names.
            name: its name in there, "sys_enter_openat". Given if and only if `category` is.
            cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).

        Raises:
            TypeError: neither the section nor the caller names a tracepoint.
            StateError: it is not loaded.
            NotFoundError, ExistsError, NotSupportedError, BpfError: as `link.attach_tracepoint`.

        libbpf: bpf_program__attach, bpf_program__attach_tracepoint_opts.
        """
        from ..link import attach_tracepoint

        self._require_open()
        if (category is None) != (name is None):
            raise TypeError("category and name of a tracepoint are given together")
        if category is None or name is None:
            category, name = self._section_target()
            if not cookie:
                return self._attach_by_section()
        return self._track(attach_tracepoint(self, category, name, cookie=cookie))

    def _section_target(self) -> tuple[str, str]:
        """Category and name in the section."""
        category, slash, name = self.section.partition("/")[2].partition("/")
        if not slash:
            raise TypeError(f"program '{self.name}': attach() needs the category and name of a tracepoint")
        return category, name

    def _explain(self, error: BpfError) -> BpfError:
        from ..link.tracepoint import explain_tracepoint

        if "/" not in self.section:
            return super()._explain(error)
        return explain_tracepoint(error, *self._section_target())

    def _attach_by_fd(self) -> Link:
        from ..link import attach_tracepoint

        return attach_tracepoint(self, *self._section_target())


class _RawTracePoint(LoadedAlone, AutoAttached):
    """What raw tracepoint programs of both kinds have in common."""

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
