# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on the entry, exit and return value of kernel functions, and on BTF tracepoints."""

from __future__ import annotations

from ..enums import AttachType, ProgramType
from .program import AutoAttached


class FEntry(AutoAttached):
    """Runs when a kernel function, or a function of another BPF program, is entered.

    Nearly free, compared with a kprobe; reads the function's arguments typed.
    Section: fentry/FUNCTION, fentry.s for sleepable programs. Kernel: 5.5, with BPF
    trampolines for the architecture.
    """

    _type = ProgramType.TRACING
    _attach_types = (AttachType.TRACE_FENTRY,)
    _sections = (
        "fentry",
        "fentry.s",
    )


class FExit(AutoAttached):
    """Runs when a kernel function, or a function of another BPF program, returns.

    Sees the arguments and the return value. Section: fexit/FUNCTION, fexit.s. Kernel: 5.5.
    """

    _type = ProgramType.TRACING
    _attach_types = (AttachType.TRACE_FEXIT,)
    _sections = (
        "fexit",
        "fexit.s",
    )


class FSession(AutoAttached):
    """Runs on entry and on exit of a kernel function, as one program with a session cookie.

    Section: fsession/FUNCTION, fsession.s. Kernel: 7.0.
    """

    _type = ProgramType.TRACING
    _attach_types = (AttachType.TRACE_FSESSION,)
    _sections = (
        "fsession",
        "fsession.s",
    )


class FModRet(AutoAttached):
    """Runs before a kernel function that allows it, and may return in its place.

    Section: fmod_ret/FUNCTION, fmod_ret.s. Kernel: 5.7, for functions marked
    ALLOW_ERROR_INJECTION, and LSM hooks.
    """

    _type = ProgramType.TRACING
    _attach_types = (AttachType.MODIFY_RETURN,)
    _sections = (
        "fmod_ret",
        "fmod_ret.s",
    )


class BtfTracePoint(AutoAttached):
    """Runs on a kernel tracepoint, with its arguments typed by BTF.

    Section: tp_btf/TRACEPOINT. Kernel: 5.5.
    """

    _type = ProgramType.TRACING
    _attach_types = (AttachType.TRACE_RAW_TP,)
    _sections = ("tp_btf",)
