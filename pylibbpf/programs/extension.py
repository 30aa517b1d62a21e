# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs that replace functions of other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import ProgramType
from .program import AutoAttached, Program

if TYPE_CHECKING:
    from ..link import Link


class Extension(AutoAttached):
    """Replaces a global function of a loaded program.

    The target is named before load, by `load(function, program=...)` or by
    `set_attach_target(function, program=...)`. Section: freplace/FUNCTION. Kernel: 5.6.
    """

    _type = ProgramType.EXT
    _sections = ("freplace",)

    def load(self, function: str | None = None, *, program: Program) -> None:
        """Loads this program alone, for a function of a loaded program.

        Args:
            function: the function that it replaces; by default what the section names.
            program: the loaded program that has it.

        Raises: as `FEntry.load`.
        """
        self._load_alone(True, function, program=program)

    def attach(self, target: Program | None = None, function: str | None = None) -> Link:
        """Puts it in the place of a function. The link is tracked: `detach`, `take_link`.

        Args:
            target: the loaded program whose function is replaced; by default the one that it
                was loaded for, which works once.
            function: the function, with the types of the one that it was loaded for; given if
                and only if `target` is (5.13 for others than that).

        Raises:
            StateError: it is not loaded.
            ValueError, NotFoundError, BpfError: as `link.attach_freplace`.

        libbpf: bpf_link_create, as bpf_program__attach_freplace does it.
        """
        from ..link import attach_freplace

        self._require_open()
        return self._track(attach_freplace(self, target, function))
