# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs that walk kernel objects and write text or data about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import AttachType, CgroupIterOrder, ProgramType
from .program import AutoAttached

if TYPE_CHECKING:
    from .._native import StrPath
    from ..btf import Btf
    from ..fds import HasFileno
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

    def load(self, target: str | None = None, btf: Btf | None = None) -> None:
        """Loads this program alone, for a target; by default the one that the section names.

        Args:
            target: what to walk, "task".
            btf: the kernel's BTF, where it is looked up; found by itself when not given.

        Raises: as `FEntry.load`.
        """
        self._load_alone(True, target, btf)

    def attach(
        self,
        *,
        map: HasFileno | int | None = None,
        cgroup: StrPath | HasFileno | int | None = None,
        order: CgroupIterOrder = CgroupIterOrder.DESCENDANTS_PRE,
        tid: int = 0,
        pid: int = 0,
        pidfd: HasFileno | int | None = None,
    ) -> IterLink:
        """Attaches it to its target. Each `open()` of the link walks the target once.

        Args:
            map: the map whose elements it walks: a target bpf_map_elem needs one.
            cgroup: the cgroup where it begins, by path or fd (target cgroup, 6.1).
            order: in which order it walks from there.
            tid: the one thread that it visits (targets of tasks, 6.1).
            pid: the one process whose threads it visits.
            pidfd: the same by a pidfd.

        The link is tracked: `detach`, `take_link`.

        Raises:
            StateError: it is not loaded.
            TypeError, ValueError, NotSupportedError, NotFoundError: as `link.attach_iter`.

        libbpf: bpf_link_create, as bpf_program__attach_iter does it.
        """
        from ..link import attach_iter

        self._require_open()
        link = attach_iter(self, map=map, cgroup=cgroup, order=order, tid=tid, pid=pid, pidfd=pidfd)
        return self._track(link)
