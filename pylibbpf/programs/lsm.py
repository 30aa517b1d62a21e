# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on Linux security module hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import AttachType, ProgramType
from .cgroup import AttachesToCgroup
from .program import AutoAttached

if TYPE_CHECKING:
    from ..btf import Btf
    from ..link import Link


class Lsm(AutoAttached):
    """Runs on a security hook and may deny the operation by returning a negative errno.

    Section: lsm/HOOK, lsm.s. Kernel: 5.7, with "bpf" among the active LSMs
    (/sys/kernel/security/lsm).
    """

    _type = ProgramType.LSM
    _attach_types = (AttachType.LSM_MAC,)
    _sections = ("lsm", "lsm.s")

    def load(self, hook: str | None = None, btf: Btf | None = None) -> None:
        """Loads this program alone, for a hook; by default the one that the section names.

        Args:
            hook: the hook's name, "file_open".
            btf: the kernel's BTF, where it is looked up; found by itself when not given.

        Raises: as `FEntry.load`.
        """
        self._load_alone(True, hook, btf)

    def attach(self, *, cookie: int = 0) -> Link:
        """Attaches it to its hook. The link is tracked: `detach`, `take_link`.

        Args:
            cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.18).

        Raises:
            StateError: it is not loaded.
            And as `link.attach_lsm`.

        libbpf: bpf_link_create, as bpf_program__attach_lsm does it.
        """
        from ..link import attach_lsm

        self._require_open()
        return self._track(attach_lsm(self, cookie=cookie))

    def _attach_by_fd(self) -> Link:
        from ..link import attach_lsm

        return attach_lsm(self)


class LsmCgroup(AttachesToCgroup):
    """Runs on a security hook, for the processes of a cgroup.

    Section: lsm_cgroup/HOOK. Kernel: 6.0.
    """

    _type = ProgramType.LSM
    _attach_types = (AttachType.LSM_CGROUP,)
    _sections = ("lsm_cgroup",)

    def load(self, hook: str | None = None, btf: Btf | None = None) -> None:
        """Loads this program alone, for a hook. As `Lsm.load`."""
        self._load_alone(True, hook, btf)
