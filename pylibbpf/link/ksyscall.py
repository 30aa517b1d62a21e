# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching to the kernel's handlers of system calls, whatever their names on this architecture."""

from __future__ import annotations

import re

from .._native import c_string, ffi, lib
from ..errors import BpfError, NotFoundError
from .carrier import attach_by_libbpf
from .create import Attachable
from .kprobe import explain_kprobe
from .link import Link
from .perf_event import require_number, require_probe


def attach_ksyscall(program: Attachable, syscall: str, *, on_return: bool = False, cookie: int = 0) -> Link:
    """Attaches a program to the handler of a system call, by kprobe.

    Args:
        program: a loaded `KSyscall`, of any origin.
        syscall: the system call's name in the kernel, "openat".
        on_return: run when the handler returns, not when it is entered.
        cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.15).

    Returns:
        A `PerfEventLink`; before 5.15 an attachment without a link. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type, or for many functions at once.
        ValueError: a name that no system call has.
        NotFoundError: this kernel has no such system call.
        NotSupportedError: this kernel has no kprobes or cookies.
        PermissionDeniedError: without CAP_PERFMON, or under lockdown.

    libbpf: bpf_program__attach_ksyscall (4.1; libbpf 1.0).
    """
    require_probe(program)
    encoded = c_string(syscall, "syscall")
    if not re.fullmatch(rb"\w{1,64}", encoded):
        raise ValueError(f"syscall must be the name of a system call: {syscall!r}")
    options = ffi.new("struct bpf_ksyscall_opts *")
    options.sz = ffi.sizeof("struct bpf_ksyscall_opts")
    options.bpf_cookie = require_number(cookie, "cookie")
    options.retprobe = on_return
    return attach_by_libbpf(
        program,
        lib.call_bpf_program__attach_ksyscall,
        encoded,
        options,
        operation=f"attach program '{program.name}' to {'kretsyscall' if on_return else 'ksyscall'}",
        subject=f"'{syscall}'",
        explain=lambda error: explain_ksyscall(error, syscall, cookie=cookie),
    )


def explain_ksyscall(error: BpfError, syscall: str, *, cookie: int = 0) -> BpfError:
    """What a refusal to attach to a system call means."""
    explained = explain_kprobe(error, syscall, cookie=cookie)
    if isinstance(explained, NotFoundError):
        explained.hint = (
            f"This kernel has no system call '{syscall}': their handlers are in /proc/kallsyms, as "
            "__x64_sys_NAME on x86-64."
        )
    return explained
