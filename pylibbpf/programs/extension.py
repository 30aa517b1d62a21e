# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs that replace functions of other programs."""

from __future__ import annotations

from ..enums import ProgramType
from .program import AutoAttached


class Extension(AutoAttached):
    """Replaces a global function of a loaded program.

    The target is named before load, by `set_attach_target(function, program=...)`. Section:
    freplace/FUNCTION. Kernel: 5.6.
    """

    _type = ProgramType.EXT
    _sections = ("freplace",)
