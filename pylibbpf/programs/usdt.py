# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on static user-space probes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..enums import ProgramType
from .program import AutoAttached

if TYPE_CHECKING:
    from .._native import StrPath
    from ..link import Link


class Usdt(AutoAttached):
    """Runs on a USDT probe of a program or library.

    libbpf finds the probe in the ELF notes and needs maps of the object to describe it, so
    that it works for programs of an `Object` only. Section: usdt/PATH:PROVIDER:NAME,
    usdt.s. Kernel: 4.3.
    """

    _type = ProgramType.KPROBE
    _sections = ("usdt", "usdt.s")

    def attach(
        self,
        path: StrPath | None = None,
        provider: str | None = None,
        name: str | None = None,
        *,
        pid: int | None = None,
        cookie: int = 0,
    ) -> Link:
        """Attaches it to a probe. The link is tracked: `detach`, `take_link`.

        Args:
            path: the file,
            provider: who defined the probe, and
            name: the probe; by default what the section names.
            pid: one process, 0 for this one; by default every process that runs the file.
            cookie: a number that the program gets from bpf_usdt_cookie(); 0 for none.

        Raises:
            TypeError: neither the section nor the caller says where.
            StateError: it is not loaded, or not by `Object.load`.
            NotFoundError, FormatError, NotSupportedError, BpfError: as `link.attach_usdt`.

        libbpf: bpf_program__attach_usdt.
        """
        from ..link import attach_usdt

        self._require_open()
        if path is None and provider is None and name is None:
            path, provider, name = self._section_target()
        if path is None or provider is None or name is None:
            raise TypeError(f"program '{self.name}': attach() needs the path, the provider and the name")
        return self._track(attach_usdt(self, path, provider, name, pid=pid, cookie=cookie))

    def _section_target(self) -> tuple[str, str, str]:
        """Path, provider and name in the section (libbpf.c:attach_usdt)."""
        found = re.fullmatch(r"usdt(?:\.s)?/([^:]+):([^:]+):([^:]+)", self.section)
        if found is None:
            raise TypeError(f"program '{self.name}': attach() needs the path, the provider and the name")
        return found[1], found[2], found[3]

    def _attach_by_section(self) -> Link:
        # By the function that takes arguments: libbpf's own reading of the section does not know "usdt.s".
        return self.attach()
