# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on the entry, exit and return value of kernel functions, and on BTF tracepoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import AttachType, ProgramType
from .program import AutoAttached, Program

if TYPE_CHECKING:
    from ..btf import Btf
    from ..link import Link


class Tracing(AutoAttached):
    """What the programs on kernel functions have in common: they are loaded for one target."""

    _type = ProgramType.TRACING

    def load(
        self, target: str | None = None, btf: Btf | None = None, *, program: Program | None = None
    ) -> None:
        """Loads this program alone, out of its object, which is prepared if it was not.

        Args:
            target: the kernel function or tracepoint; by default what the section names.
                "module:function" for one of a module; a name that the kernel does not have
                is looked up in all modules.
            btf: where to look it up instead: `Btf.vmlinux()` or `Btf.module(name)`.
            program: the loaded BPF program whose function the target is, instead of the
                kernel's (fentry, fexit).

        Raises:
            StateError: it is loaded already, or a load of its object failed.
            NotFoundError: there is no such target.
            VerifierError: the verifier rejected it.
            NotSupportedError: the libbpf in use is older than 1.6.

        libbpf: bpf_object__prepare, bpf_prog_load.
        """
        self._load_alone(True, target, btf, program)

    def attach(self, *, cookie: int = 0) -> Link:
        """Attaches it to its target. The link is tracked: `detach`, `take_link`.

        Args:
            cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.18).

        Raises:
            StateError: it is not loaded.
            NotSupportedError: the kernel cannot.
            BpfError: the kernel refused.

        libbpf: bpf_link_create, as bpf_program__attach_trace does it.
        """
        from ..link import attach_tracing

        self._require_open()
        return self._track(attach_tracing(self, cookie=cookie))

    def _attach_by_fd(self) -> Link:
        from ..link import attach_tracing

        return attach_tracing(self)


class FEntry(Tracing):
    """Runs when a kernel function, or a function of another BPF program, is entered.

    Nearly free, compared with a kprobe; reads the function's arguments typed.
    Section: fentry/FUNCTION, fentry.s for sleepable programs. Kernel: 5.5, with BPF
    trampolines for the architecture.
    """

    _attach_types = (AttachType.TRACE_FENTRY,)
    _sections = ("fentry", "fentry.s")


class FExit(Tracing):
    """Runs when a kernel function, or a function of another BPF program, returns.

    Sees the arguments and the return value. Section: fexit/FUNCTION, fexit.s. Kernel: 5.5.
    """

    _attach_types = (AttachType.TRACE_FEXIT,)
    _sections = ("fexit", "fexit.s")


class FSession(Tracing):
    """Runs on entry and on exit of a kernel function, as one program with a session cookie.

    Section: fsession/FUNCTION, fsession.s. Kernel: 7.0.
    """

    _attach_types = (AttachType.TRACE_FSESSION,)
    _sections = ("fsession", "fsession.s")


class FModRet(Tracing):
    """Runs before a kernel function that allows it, and may return in its place.

    Section: fmod_ret/FUNCTION, fmod_ret.s. Kernel: 5.7, for functions marked
    ALLOW_ERROR_INJECTION, and LSM hooks.
    """

    _attach_types = (AttachType.MODIFY_RETURN,)
    _sections = ("fmod_ret", "fmod_ret.s")


class BtfTracePoint(Tracing):
    """Runs on a kernel tracepoint, with its arguments typed by BTF.

    Section: tp_btf/TRACEPOINT. Kernel: 5.5.
    """

    _attach_types = (AttachType.TRACE_RAW_TP,)
    _sections = ("tp_btf",)
