# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs that walk kernel objects and write text or data about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..enums import AttachType, ProgramType
from .program import AutoAttached

if TYPE_CHECKING:
    from ..link import IterLink


class Iter(AutoAttached):
    """Walks tasks, files, sockets, map elements and so on, and writes what a reader then reads.

    Section: iter/TARGET, iter.s. Kernel: 5.8.

        with obj.program("dump_task", Iter).attach().open() as file:
            print(file.read())
    """

    _type = ProgramType.TRACING
    _attach_types = (AttachType.TRACE_ITER,)
    _sections = ("iter", "iter.s")

    def attach(self) -> IterLink:
        """Attaches it to its target. Each `open()` of the link walks the target once.

        Raises:
            StateError: it is not loaded.
            BpfError: the kernel refused.

        libbpf: bpf_program__attach_iter.
        """
        return cast("IterLink", self._attach_by_section())
