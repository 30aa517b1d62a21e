# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs that implement a kernel interface."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from .._native import NULL, lib
from ..enums import ProgramType
from ..errors import NotSupportedError, from_errno
from ..since import lacks_function
from .program import Program

if TYPE_CHECKING:
    from ..maps import StructOpsMap


class StructOps(Program):
    """One function of a struct_ops map, which attaches as a whole.

    Section: struct_ops/NAME, struct_ops.s. Kernel: 5.6.
    """

    _type = ProgramType.STRUCT_OPS
    _sections = ("struct_ops", "struct_ops.s")


def associate(program: Program, map: StructOpsMap) -> None:
    """Gives a program its struct_ops map: `Program.assoc_struct_ops`."""
    from ..link.struct_ops import require_map

    require_map(map)
    operation, subject = f"associate program '{program.name}' with", f"map '{map.name}'"
    with program._fd_handle() as fd, map._fd_handle() as map_fd:
        result = lib.bpf_prog_assoc_struct_ops(fd, map_fd, NULL)
    if result >= 0:
        return
    hint = {
        -errno.EBUSY: "The program is associated with another map, which it keeps.",
        -errno.EINVAL: "A program of a struct_ops map has that one.",
    }.get(result, "")
    if result == -errno.EINVAL and lacks_function("bpf_prog_assoc_struct_ops"):
        raise NotSupportedError(
            errno.EOPNOTSUPP, operation, subject,
            hint="Programs are associated with struct_ops maps since Linux 7.0.",
        )  # fmt: skip
    raise from_errno(-result, operation, subject, hint=hint)
