# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on user-space functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..enums import AttachType, ProbeAttachMode, ProgramType
from ..errors import BpfError
from .alone import LoadedAlone
from .kprobe import c_integer
from .program import AutoAttached

if TYPE_CHECKING:
    from .._native import StrPath
    from ..link import Link


class _UserProbe(LoadedAlone, AutoAttached):
    """What uprobes and uretprobes of one function have in common."""

    _type = ProgramType.KPROBE

    def _section_target(self) -> tuple[str, str, int]:
        """Path, symbol and offset in the section (libbpf.c:attach_uprobe)."""
        found = re.fullmatch(r"[^/]+/([^:]+):(.+?)(?:\+(0[xX][0-9a-fA-F]+|[0-9]+))?", self.section)
        if found is None:
            raise TypeError(f"program '{self.name}': attach() needs the path, and a symbol or offset in it")
        path, symbol, offset = found.groups()
        return path, symbol, c_integer(offset or "0")

    def _place(self, symbol: str | None, offset: int) -> tuple[str, str, int]:
        """What the section says, for a caller who names no path."""
        if symbol is not None or offset:
            raise TypeError(
                f"program '{self.name}': symbol and offset are of a path, which attach() needs too"
            )
        return self._section_target()

    def _explain(self, error: BpfError) -> BpfError:
        from ..link.uprobe import explain_uprobe

        if "/" not in self.section:
            return super()._explain(error)
        path, symbol, _ = self._section_target()
        return explain_uprobe(error, path, symbol)


class UProbe(_UserProbe):
    """Runs when a function of a program or library is entered.

    Section: uprobe/PATH:FUNCTION[+OFFSET], uprobe.s. Kernel: 4.3.
    """

    _sections = ("uprobe", "uprobe.s")

    def attach(
        self,
        path: StrPath | None = None,
        *,
        symbol: str | None = None,
        offset: int = 0,
        pid: int | None = None,
        cookie: int = 0,
        reference_counter_offset: int = 0,
        attach_mode: ProbeAttachMode = ProbeAttachMode.DEFAULT,
    ) -> Link:
        """Attaches it to a function of a program or library. The link is tracked: `detach`, `take_link`.

        Args:
            path: the file, by default what the section names, with
            symbol: the function in it, and
            offset: the bytes from the function, or from the beginning of the file without one.
            pid: one process, 0 for this one; by default every process that runs the file.
            cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).
            reference_counter_offset: where in the file the probe has a counter of those who listen.
            attach_mode: how; by default as well as the kernel can.

        Raises:
            TypeError: neither the section nor the caller says where.
            StateError: it is not loaded.
            NotFoundError, FormatError, NotSupportedError, BpfError: as `link.attach_uprobe`.

        libbpf: bpf_program__attach, bpf_program__attach_uprobe_opts.
        """
        from ..link import attach_uprobe

        self._require_open()
        if path is None:
            path, symbol, offset = self._place(symbol, offset)
            if (pid, cookie, reference_counter_offset, attach_mode) == (None, 0, 0, ProbeAttachMode.DEFAULT):
                return self._attach_by_section()
        link = attach_uprobe(
            self,
            path,
            symbol=symbol,
            offset=offset,
            pid=pid,
            cookie=cookie,
            reference_counter_offset=reference_counter_offset,
            attach_mode=attach_mode,
        )
        return self._track(link)

    def _attach_by_fd(self) -> Link:
        from ..link import attach_uprobe

        path, symbol, offset = self._section_target()
        return attach_uprobe(self, path, symbol=symbol, offset=offset)


class URetProbe(_UserProbe):
    """Runs when a function of a program or library returns.

    Section: uretprobe/PATH:FUNCTION, uretprobe.s. Kernel: 4.3.
    """

    _sections = ("uretprobe", "uretprobe.s")

    def attach(
        self,
        path: StrPath | None = None,
        *,
        symbol: str | None = None,
        offset: int = 0,
        pid: int | None = None,
        cookie: int = 0,
        attach_mode: ProbeAttachMode = ProbeAttachMode.DEFAULT,
    ) -> Link:
        """Attaches it to the return of a function of a program or library, by default the section's.

        As `UProbe.attach`, with a symbol or the offset of a function's entry.

        libbpf: bpf_program__attach, bpf_program__attach_uprobe_opts.
        """
        from ..link import attach_uretprobe

        self._require_open()
        if path is None:
            path, symbol, offset = self._place(symbol, offset)
            if (pid, cookie, attach_mode) == (None, 0, ProbeAttachMode.DEFAULT):
                return self._attach_by_section()
        link = attach_uretprobe(
            self, path, symbol=symbol, offset=offset, pid=pid, cookie=cookie, attach_mode=attach_mode
        )
        return self._track(link)

    def _attach_by_fd(self) -> Link:
        from ..link import attach_uretprobe

        path, symbol, offset = self._section_target()
        return attach_uretprobe(self, path, symbol=symbol, offset=offset)


class _UserProbes(LoadedAlone, AutoAttached):
    """What uprobe.multi and uprobe.session have in common."""

    _type = ProgramType.KPROBE

    def _section_target(self) -> tuple[str, str]:
        """Path and pattern in the section (libbpf.c:attach_uprobe_multi)."""
        found = re.fullmatch(r"[^/]+/([^:]+):(.+)", self.section)
        if found is None:
            raise TypeError(
                f"program '{self.name}': attach() needs the path, and a pattern, symbols or offsets in it"
            )
        return found[1], found[2]

    def _is_on_return(self) -> bool:
        return self.section.startswith("uretprobe.multi")

    def _attach_by_fd(self) -> Link:
        from ..link import attach_uprobe_multi

        return attach_uprobe_multi(self, *self._section_target(), on_return=self._is_on_return())

    def _explain(self, error: BpfError) -> BpfError:
        from ..link.uprobe_multi import explain_uprobe_multi

        if "/" not in self.section:
            return super()._explain(error)
        return explain_uprobe_multi(error, *self._section_target(), session=isinstance(self, UProbeSession))

    def _attach(
        self,
        path: StrPath | None,
        pattern: str | None,
        symbols: Sequence[str] | None,
        offsets: Sequence[int] | None,
        reference_counter_offsets: Sequence[int] | None,
        cookies: Sequence[int] | None,
        pid: int | None,
        on_return: bool | None,
    ) -> Link:
        from ..link import attach_uprobe_multi

        self._require_open()
        if path is None:
            if (pattern, symbols, offsets) != (None, None, None):
                raise TypeError(
                    f"program '{self.name}': pattern, symbols and offsets are of a path, "
                    "which attach() needs too"
                )
            path, pattern = self._section_target()
            if (reference_counter_offsets, cookies, pid, on_return) == (None, None, None, None):
                return self._attach_by_section()
        link = attach_uprobe_multi(
            self,
            path,
            pattern,
            symbols=symbols,
            offsets=offsets,
            reference_counter_offsets=reference_counter_offsets,
            cookies=cookies,
            pid=pid,
            on_return=self._is_on_return() if on_return is None else on_return,
        )
        return self._track(link)


class UProbeMulti(_UserProbes):
    """Runs on many functions of one binary, attached at once.

    Section: uprobe.multi/PATH:PATTERN and its ret and .s forms. Kernel: 6.6.
    """

    _attach_types = (AttachType.TRACE_UPROBE_MULTI,)
    _sections = ("uprobe.multi", "uretprobe.multi", "uprobe.multi.s", "uretprobe.multi.s")

    def attach(
        self,
        path: StrPath | None = None,
        pattern: str | None = None,
        *,
        symbols: Sequence[str] | None = None,
        offsets: Sequence[int] | None = None,
        reference_counter_offsets: Sequence[int] | None = None,
        cookies: Sequence[int] | None = None,
        pid: int | None = None,
        on_return: bool | None = None,
    ) -> Link:
        """Attaches it to functions of a program or library. The link is tracked: `detach`, `take_link`.

        Args:
            path: the file, by default what the section names, with
            pattern: the functions by their names, with * and ?. Or
            symbols: the functions by their names; or
            offsets: instructions, each in bytes from the beginning of the file.
            reference_counter_offsets: for each of symbols or offsets, where in the file it has a
                counter of those who listen.
            cookies: for each of symbols or offsets a number that the program gets from
                bpf_get_attach_cookie().
            pid: one process, 0 for this one; by default every process that runs the file.
            on_return: run when they return; by default what the section says.

        Raises:
            TypeError: neither the section nor the caller says where.
            StateError: it is not loaded.
            NotFoundError, FormatError, NotSupportedError, BpfError, ValueError: as
                `link.attach_uprobe_multi`.

        libbpf: bpf_program__attach, bpf_program__attach_uprobe_multi.
        """
        return self._attach(
            path, pattern, symbols, offsets, reference_counter_offsets, cookies, pid, on_return
        )


class UProbeSession(_UserProbes):
    """Runs on entry and exit of many functions of one binary.

    Section: uprobe.session/PATH:PATTERN, uprobe.session.s. Kernel: 6.13.
    """

    _attach_types = (AttachType.TRACE_UPROBE_SESSION,)
    _sections = ("uprobe.session", "uprobe.session.s")

    def attach(
        self,
        path: StrPath | None = None,
        pattern: str | None = None,
        *,
        symbols: Sequence[str] | None = None,
        offsets: Sequence[int] | None = None,
        reference_counter_offsets: Sequence[int] | None = None,
        cookies: Sequence[int] | None = None,
        pid: int | None = None,
    ) -> Link:
        """Attaches it to functions of a program or library, as `UProbeMulti.attach`. The link is tracked."""
        return self._attach(path, pattern, symbols, offsets, reference_counter_offsets, cookies, pid, None)
