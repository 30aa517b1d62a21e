# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of tracing programs: fentry, fexit, fsession, fmod_ret, tp_btf, LSM, freplace."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .._native import NULL
from ..enums import AttachType, LinkType, ProgramType
from ..errors import ProgramTypeError
from .create import Attachable, create_link, link_options, require_program
from .function import find_function
from .link import Link

if TYPE_CHECKING:
    from .info import TracingInfo


class TracingLink(Link):
    """A tracing, LSM or extension program, attached to a function."""

    if TYPE_CHECKING:

        def info(self) -> TracingInfo: ...


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


# bpf_tracing_prog_attach forgets the target of the load at the first attach (kernel/bpf/syscall.c).
_ONCE = "To attach an extension for the second time, name target and function."
# Commit f3a95075549e, for tracing and LSM programs.
_ONCE_BEFORE = "Before Linux 5.13 a program attaches once: unload() and load() it to attach it again."


def attach_freplace(
    program: Attachable, target: Attachable | None = None, function: str | None = None
) -> Link:
    """Attaches an extension, which then runs in place of a function of another program.

    Args:
        program: a loaded `Extension`, of any origin.
        target: the loaded program whose function is replaced; by default the one that the
            extension was loaded for.
        function: the name of the function, which is global and has the types of the one that
            the extension was loaded for. Given if and only if `target` is (5.10).

    Raises:
        ProgramTypeError: the program is no extension.
        ValueError: only one of `target` and `function` is given.
        NotFoundError: the target has no such function.
        BpfError: the function's types differ, or somebody else replaced it.

    libbpf: bpf_link_create, as bpf_program__attach_freplace does it.
    """
    require_program(program, ProgramType.EXT)
    if (target is None) != (function is None):
        raise ValueError("target and function are given together, or neither for those it was loaded for")
    # An extension has no attach type: 0 stands for none.
    none = AttachType(0)
    if target is None or function is None:
        return create_link(program, 0, none, hint=_ONCE)
    require_program(target, target.type)
    options = link_options()
    options.target_btf_id = find_function(target, function)
    with target._fd_handle() as target_fd:
        return create_link(
            program,
            target_fd,
            none,
            options,
            where=f"function '{function}' of program '{target.name}'",
            hint="It takes the place of a global function with the types of the one it was loaded for, "
            "which nobody else has replaced.",
        )


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
    known = None
    if program.section:
        # It tells the attach type for sure, and with it the type of the link.
        raw = attach_type == AttachType.TRACE_RAW_TP
        known = LinkType.RAW_TRACEPOINT if raw else LinkType.TRACING
    link = create_link(program, 0, attach_type, options, link_type=known, since=since, hint=_ONCE_BEFORE)
    if not program.section and link.type == LinkType.TRACING:
        _require_attach_type(link, attach_type, program.name)
    return link


def _require_attach_type(link: Link, asked: AttachType, name: str) -> None:
    """Closes the link and raises if the program attached otherwise than its class says.

    libbpf falls back to BPF_RAW_TRACEPOINT_OPEN, which takes the attach type of the load.
    """
    try:
        found = cast("TracingInfo", link.info()).attach_type
        if found != asked:
            raise ProgramTypeError(
                f"program '{name}' was opened as {asked.name}, and attaches as {found.name}: "
                "open it in the class of that"
            )
    except BaseException:
        link.close()
        raise
