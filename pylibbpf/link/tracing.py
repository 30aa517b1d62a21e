# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of tracing programs: fentry, fexit, fsession, fmod_ret, tp_btf, LSM, freplace."""

from __future__ import annotations

from .._native import NULL
from ..enums import AttachType, ProgramType
from ..errors import ProgramTypeError
from .create import Attachable, create_link, link_options, require_program
from .link import Link


class TracingLink(Link):
    """A tracing, LSM or extension program, attached to a function."""


def attach_tracing(program: Attachable, *, cookie: int = 0) -> Link:
    """Attaches a fentry, fexit, fsession, fmod_ret or tp_btf program to the target it was loaded for.

    Args:
        program: a loaded program of any origin. One that came from the kernel must be of
            the class that says where it attaches (`FEntry.from_pin`).
        cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (5.18).

    Returns:
        A `TracingLink`, or a `RawTracepointLink` for tp_btf. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type.
        NotSupportedError: this kernel has no cookies for it.

    libbpf: bpf_link_create; BPF_RAW_TRACEPOINT_OPEN on kernels that have no such link (5.5).
    """
    return _attach(program, ProgramType.TRACING, cookie)


def attach_lsm(program: Attachable, *, cookie: int = 0) -> Link:
    """Attaches an LSM program to the hook it was loaded for. As `attach_tracing` (5.7).

    libbpf: bpf_link_create.
    """
    return _attach(program, ProgramType.LSM, cookie)


def _attach(program: Attachable, type: ProgramType, cookie: int) -> Link:
    require_program(program, type)
    attach_type = program.expected_attach_type
    if attach_type is None:
        raise ProgramTypeError(
            f"program '{program.name}' came from the kernel, which does not tell where it attaches: "
            "open it in its class, FEntry.from_pin(path) for instance"
        )
    if attach_type in (AttachType.TRACE_ITER, AttachType.LSM_CGROUP):
        raise ProgramTypeError(
            f"program '{program.name}' attaches as {attach_type.name}, by another function"
        )
    options = NULL
    if cookie:
        options = link_options()
        options.tracing.cookie = cookie
    since = "Cookies of tracing programs came with Linux 5.18." if cookie else ""
    return create_link(program, 0, attach_type, options, since=since)
