# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs that implement a kernel interface."""

from __future__ import annotations

from ..enums import ProgramType
from .program import Program


class StructOps(Program):
    """One function of a struct_ops map, which attaches as a whole.

    Section: struct_ops/NAME, struct_ops.s. Kernel: 5.6.
    """

    _type = ProgramType.STRUCT_OPS
    _sections = ("struct_ops", "struct_ops.s")
