# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on lightweight tunnel routes."""

from __future__ import annotations

from ..enums import ProgramType
from .program import Program


class LwtIn(Program):
    """Runs on what a route receives.

    Section: lwt_in. Kernel: 4.10.
    """

    _type = ProgramType.LWT_IN
    _sections = ("lwt_in",)


class LwtOut(Program):
    """Runs on what a route sends.

    Section: lwt_out. Kernel: 4.10.
    """

    _type = ProgramType.LWT_OUT
    _sections = ("lwt_out",)


class LwtXmit(Program):
    """Runs on what a route transmits, and may push headers.

    Section: lwt_xmit. Kernel: 4.10.
    """

    _type = ProgramType.LWT_XMIT
    _sections = ("lwt_xmit",)


class LwtSeg6Local(Program):
    """Runs on a segment routing endpoint.

    Section: lwt_seg6local. Kernel: 4.18.
    """

    _type = ProgramType.LWT_SEG6LOCAL
    _sections = ("lwt_seg6local",)
