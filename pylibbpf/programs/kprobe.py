# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on kernel functions by probe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..enums import AttachType, ProbeAttachMode, ProgramType
from ..errors import BpfError
from .alone import LoadedAlone
from .program import AutoAttached

if TYPE_CHECKING:
    from ..link import Link


def c_integer(digits: str) -> int:
    """A number as libbpf reads it in a section, by sscanf's %li: 16, 0x10, 020."""
    return int(digits, 8 if re.fullmatch("0[0-7]+", digits) else 0)


class _KernelProbe(LoadedAlone, AutoAttached):
    """What kprobes and kretprobes of one function have in common."""

    _type = ProgramType.KPROBE

    def _section_target(self) -> tuple[str, int]:
        """Function and offset in the section."""
        function, _, offset = self.section.partition("/")[2].partition("+")
        if not function:
            raise TypeError(f"program '{self.name}': attach() needs the function")
        return function, c_integer(offset or "0")

    def _explain(self, error: BpfError) -> BpfError:
        from ..link.kprobe import explain_kprobe

        if "/" not in self.section:
            return super()._explain(error)
        return explain_kprobe(error, self._section_target()[0])


class KProbe(_KernelProbe):
    """Runs when a kernel function is entered, or at an offset in it.

    Section: kprobe/FUNCTION[+OFFSET]. Kernel: 4.1.
    """

    _sections = ("kprobe",)

    def attach(
        self,
        function: str | None = None,
        *,
        offset: int = 0,
        cookie: int = 0,
        attach_mode: ProbeAttachMode = ProbeAttachMode.DEFAULT,
    ) -> Link:
        """Attaches it to a kernel function. The link is tracked: `detach`, `take_link`.

        Args:
            function: the function, and
            offset: the bytes from its beginning; by default what the section names.
            cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).
            attach_mode: how; by default as well as the kernel can.

        Raises:
            TypeError: neither the section nor the caller names a function.
            StateError: it is not loaded.
            NotFoundError, NotSupportedError, BpfError: as `link.attach_kprobe`.

        libbpf: bpf_program__attach, bpf_program__attach_kprobe_opts.
        """
        from ..link import attach_kprobe

        self._require_open()
        if function is None:
            if offset:
                raise TypeError(
                    f"program '{self.name}': an offset is of a function, which attach() needs too"
                )
            function, offset = self._section_target()
            if not cookie and attach_mode == ProbeAttachMode.DEFAULT:
                return self._attach_by_section()
        link = attach_kprobe(self, function, offset=offset, cookie=cookie, attach_mode=attach_mode)
        return self._track(link)

    def _attach_by_fd(self) -> Link:
        from ..link import attach_kprobe

        function, offset = self._section_target()
        return attach_kprobe(self, function, offset=offset)


class KRetProbe(_KernelProbe):
    """Runs when a kernel function returns.

    Section: kretprobe/FUNCTION. Kernel: 4.1.
    """

    _sections = ("kretprobe",)

    def attach(
        self,
        function: str | None = None,
        *,
        cookie: int = 0,
        attach_mode: ProbeAttachMode = ProbeAttachMode.DEFAULT,
    ) -> Link:
        """Attaches it to the return of a kernel function, by default the one that the section names.

        As `KProbe.attach`, without an offset.

        libbpf: bpf_program__attach, bpf_program__attach_kprobe_opts.
        """
        from ..link import attach_kretprobe

        self._require_open()
        if function is None:
            function, _ = self._section_target()
            if not cookie and attach_mode == ProbeAttachMode.DEFAULT:
                return self._attach_by_section()
        return self._track(attach_kretprobe(self, function, cookie=cookie, attach_mode=attach_mode))

    def _attach_by_fd(self) -> Link:
        from ..link import attach_kretprobe

        return attach_kretprobe(self, self._section_target()[0])


class KSyscall(LoadedAlone, AutoAttached):
    """Runs on entry (ksyscall) or exit (kretsyscall) of a system call's handler, whatever its name here.

    Section: ksyscall/NAME, kretsyscall/NAME. Kernel: 4.1.
    """

    _type = ProgramType.KPROBE
    _sections = ("ksyscall", "kretsyscall")

    def attach(self, syscall: str | None = None, *, on_return: bool | None = None, cookie: int = 0) -> Link:
        """Attaches it to a system call. The link is tracked: `detach`, `take_link`.

        Args:
            syscall: the system call's name in the kernel, "openat"; by default what the section names.
            on_return: run when the handler returns; by default what the section says.
            cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).

        Raises:
            TypeError: neither the section nor the caller names a system call.
            StateError: it is not loaded.
            NotFoundError, NotSupportedError, BpfError: as `link.attach_ksyscall`.

        libbpf: bpf_program__attach, bpf_program__attach_ksyscall.
        """
        from ..link import attach_ksyscall

        self._require_open()
        if (syscall, on_return, cookie) == (None, None, 0):
            self._section_target()
            return self._attach_by_section()
        if on_return is None:
            on_return = self._is_on_return()
        name = self._section_target() if syscall is None else syscall
        return self._track(attach_ksyscall(self, name, on_return=on_return, cookie=cookie))

    def _attach_by_fd(self) -> Link:
        from ..link import attach_ksyscall

        return attach_ksyscall(self, self._section_target(), on_return=self._is_on_return())

    def _section_target(self) -> str:
        name = self.section.partition("/")[2]
        if not name:
            raise TypeError(f"program '{self.name}': attach() needs the system call")
        return name

    def _is_on_return(self) -> bool:
        return self.section.startswith("kretsyscall")

    def _explain(self, error: BpfError) -> BpfError:
        from ..link.ksyscall import explain_ksyscall

        if "/" not in self.section:
            return super()._explain(error)
        return explain_ksyscall(error, self._section_target())


class _KernelProbes(LoadedAlone, AutoAttached):
    """What kprobe.multi and kprobe.session have in common."""

    _type = ProgramType.KPROBE

    def _section_target(self) -> str:
        """The pattern in the section."""
        pattern = self.section.partition("/")[2]
        if not pattern:
            raise TypeError(f"program '{self.name}': attach() needs a pattern, functions or addresses")
        return pattern

    def _is_on_return(self) -> bool:
        return self.section.startswith("kretprobe.multi")

    def _attach_by_fd(self) -> Link:
        from ..link import attach_kprobe_multi

        return attach_kprobe_multi(self, self._section_target(), on_return=self._is_on_return())

    def _explain(self, error: BpfError) -> BpfError:
        from ..link.kprobe_multi import explain_kprobe_multi

        if "/" not in self.section:
            return super()._explain(error)
        session = isinstance(self, KProbeSession)
        return explain_kprobe_multi(error, session=session, pattern=self._section_target())


class KProbeMulti(_KernelProbes):
    """Runs on many kernel functions, attached at once.

    Section: kprobe.multi/PATTERN, kretprobe.multi/PATTERN. Kernel: 5.18, with fprobe.
    """

    _attach_types = (AttachType.TRACE_KPROBE_MULTI,)
    _sections = ("kprobe.multi", "kretprobe.multi")

    def attach(
        self,
        pattern: str | None = None,
        *,
        functions: Sequence[str] | None = None,
        addresses: Sequence[int] | None = None,
        cookies: Sequence[int] | None = None,
        on_return: bool | None = None,
        unique_match: bool = False,
    ) -> Link:
        """Attaches it to kernel functions. The link is tracked: `detach`, `take_link`.

        Args:
            pattern: the functions by their names, with * and ?; by default what the section says. Or
            functions: the functions by their names; or
            addresses: the functions by their addresses.
            cookies: for each of functions or addresses a number that the program gets from
                bpf_get_attach_cookie().
            on_return: run when they return; by default what the section says.
            unique_match: with a pattern, refuse more than one function.

        Raises:
            TypeError: neither the section nor the caller says where.
            StateError: it is not loaded.
            NotFoundError, NotSupportedError, BpfError, ValueError: as `link.attach_kprobe_multi`.

        libbpf: bpf_program__attach, bpf_program__attach_kprobe_multi_opts, bpf_link_create.
        """
        from ..link import attach_kprobe_multi

        self._require_open()
        if (pattern, functions, addresses) == (None, None, None):
            pattern = self._section_target()
            if (cookies, on_return, unique_match) == (None, None, False):
                return self._attach_by_section()
        link = attach_kprobe_multi(
            self,
            pattern,
            functions=functions,
            addresses=addresses,
            cookies=cookies,
            on_return=self._is_on_return() if on_return is None else on_return,
            unique_match=unique_match,
        )
        return self._track(link)


class KProbeSession(_KernelProbes):
    """Runs on entry and exit of many kernel functions; the entry decides whether the exit is seen.

    Section: kprobe.session/PATTERN. Kernel: 6.10.
    """

    _attach_types = (AttachType.TRACE_KPROBE_SESSION,)
    _sections = ("kprobe.session",)

    def attach(
        self,
        pattern: str | None = None,
        *,
        functions: Sequence[str] | None = None,
        addresses: Sequence[int] | None = None,
        cookies: Sequence[int] | None = None,
        unique_match: bool = False,
    ) -> Link:
        """Attaches it to kernel functions, as `KProbeMulti.attach`. The link is tracked."""
        from ..link import attach_kprobe_multi

        self._require_open()
        if (pattern, functions, addresses) == (None, None, None):
            pattern = self._section_target()
            if (cookies, unique_match) == (None, False):
                return self._attach_by_section()
        link = attach_kprobe_multi(
            self,
            pattern,
            functions=functions,
            addresses=addresses,
            cookies=cookies,
            unique_match=unique_match,
        )
        return self._track(link)
