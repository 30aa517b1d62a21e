# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on user-space functions."""

from __future__ import annotations

from ..enums import AttachType, ProgramType
from .program import AutoAttached


class UProbe(AutoAttached):
    """Runs when a function of a program or library is entered.

    Section: uprobe/PATH:FUNCTION[+OFFSET], uprobe.s. Kernel: 4.3.
    """

    _type = ProgramType.KPROBE
    _sections = ("uprobe", "uprobe.s")


class URetProbe(AutoAttached):
    """Runs when a function of a program or library returns.

    Section: uretprobe/PATH:FUNCTION, uretprobe.s. Kernel: 4.3.
    """

    _type = ProgramType.KPROBE
    _sections = ("uretprobe", "uretprobe.s")


class UProbeMulti(AutoAttached):
    """Runs on many functions of one binary, attached at once.

    Section: uprobe.multi/PATH:PATTERN and its ret and .s forms. Kernel: 6.6.
    """

    _type = ProgramType.KPROBE
    _attach_types = (AttachType.TRACE_UPROBE_MULTI,)
    _sections = ("uprobe.multi", "uretprobe.multi", "uprobe.multi.s", "uretprobe.multi.s")


class UProbeSession(AutoAttached):
    """Runs on entry and exit of many functions of one binary.

    Section: uprobe.session/PATH:PATTERN, uprobe.session.s. Kernel: 6.13.
    """

    _type = ProgramType.KPROBE
    _attach_types = (AttachType.TRACE_UPROBE_SESSION,)
    _sections = ("uprobe.session", "uprobe.session.s")
