# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs that user space calls."""

from __future__ import annotations

from ..enums import ProgramType
from .program import Program


class Syscall(Program):
    """Runs when user space says so, by `test_run`.

    Section: syscall. Kernel: 5.14.
    """

    _type = ProgramType.SYSCALL
    _sections = ("syscall",)
