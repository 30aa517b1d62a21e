# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs that walk kernel objects and write text or data about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..enums import AttachType, ProgramType
from .program import AutoAttached

if TYPE_CHECKING:
    from ..btf import Btf
    from ..link import IterLink, Link


class Iter(AutoAttached):
    """Walks tasks, files, sockets, map elements and so on, and writes what a reader then reads.

    Section: iter/TARGET, iter.s. Kernel: 5.8.

        with obj.program("dump_task", Iter).attach().open() as file:
            print(file.read())
    """

    _type = ProgramType.TRACING
    _attach_types = (AttachType.TRACE_ITER,)
    _sections = ("iter", "iter.s")

    def load(self, target: str | None = None, btf: Btf | None = None) -> None:
        """Loads this program alone, for a target; by default the one that the section names.

        Args:
            target: what to walk, "task".
            btf: the kernel's BTF, where it is looked up; found by itself when not given.

        Raises: as `FEntry.load`.
        """
        self._load_alone(True, target, btf)

    def attach(self) -> IterLink:
        """Attaches it to its target. Each `open()` of the link walks the target once.

        Raises:
            StateError: it is not loaded.
            BpfError: the kernel refused.

        libbpf: bpf_program__attach_iter.
        """
        return cast("IterLink", self._attach_by_section())

    def _attach_by_fd(self) -> Link:
        from ..link import attach_iter

        return attach_iter(self)
