# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on Linux security module hooks."""

from __future__ import annotations

from ..enums import AttachType, ProgramType
from .program import AutoAttached, Program


class Lsm(AutoAttached):
    """Runs on a security hook and may deny the operation by returning a negative errno.

    Section: lsm/HOOK, lsm.s. Kernel: 5.7, with "bpf" among the active LSMs
    (/sys/kernel/security/lsm).
    """

    _type = ProgramType.LSM
    _attach_types = (AttachType.LSM_MAC,)
    _sections = (
        "lsm",
        "lsm.s",
    )


class LsmCgroup(Program):
    """Runs on a security hook, for the processes of a cgroup.

    Section: lsm_cgroup/HOOK. Kernel: 6.0.
    """

    _type = ProgramType.LSM
    _attach_types = (AttachType.LSM_CGROUP,)
    _sections = ("lsm_cgroup",)
