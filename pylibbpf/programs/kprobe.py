# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on kernel functions by probe."""

from __future__ import annotations

from ..enums import AttachType, ProgramType
from .program import AutoAttached


class KProbe(AutoAttached):
    """Runs when a kernel function is entered, or at an offset in it.

    Section: kprobe/FUNCTION[+OFFSET]. Kernel: 4.1.
    """

    _type = ProgramType.KPROBE
    _sections = ("kprobe",)


class KRetProbe(AutoAttached):
    """Runs when a kernel function returns.

    Section: kretprobe/FUNCTION. Kernel: 4.1.
    """

    _type = ProgramType.KPROBE
    _sections = ("kretprobe",)


class KSyscall(AutoAttached):
    """Runs on entry (ksyscall) or exit (kretsyscall) of a system call's handler, whatever its name here.

    Section: ksyscall/NAME, kretsyscall/NAME. Kernel: 4.1.
    """

    _type = ProgramType.KPROBE
    _sections = ("ksyscall", "kretsyscall")


class KProbeMulti(AutoAttached):
    """Runs on many kernel functions, attached at once.

    Section: kprobe.multi/PATTERN, kretprobe.multi/PATTERN. Kernel: 5.18, with fprobe.
    """

    _type = ProgramType.KPROBE
    _attach_types = (AttachType.TRACE_KPROBE_MULTI,)
    _sections = ("kprobe.multi", "kretprobe.multi")


class KProbeSession(AutoAttached):
    """Runs on entry and exit of many kernel functions; the entry decides whether the exit is seen.

    Section: kprobe.session/PATTERN. Kernel: 6.10.
    """

    _type = ProgramType.KPROBE
    _attach_types = (AttachType.TRACE_KPROBE_SESSION,)
    _sections = ("kprobe.session",)
