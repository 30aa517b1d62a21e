# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on infrared receivers."""

from __future__ import annotations

from ..enums import AttachType, ProgramType
from .program import Program


class LircMode2(Program):
    """Decodes infrared signals.

    Section: lirc_mode2. Kernel: 4.18.
    """

    _type = ProgramType.LIRC_MODE2
    _attach_types = (AttachType.LIRC_MODE2,)
    _sections = ("lirc_mode2",)
