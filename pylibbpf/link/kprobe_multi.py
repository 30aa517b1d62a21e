# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching to many kernel functions at once, by kprobe.multi and kprobe.session."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._native import c_string, ffi, lib
from ..enums import AttachType, LinkType
from ..errors import BpfError, NotFoundError, NotSupportedError
from ..since import lacks_function, why_not
from .carrier import attach_by_libbpf
from .create import Attachable, create_link, link_options, raise_explained
from .link import Link
from .multi import CStrings, choose, cookie_array, count, is_session, unsigned_longs
from .perf_event import instead, too_old

if TYPE_CHECKING:
    from .info import KProbeMultiInfo

# include/uapi/linux/bpf.h
_BPF_F_KPROBE_MULTI_RETURN = 1 << 0


class KProbeMultiLink(Link):
    """A program on many kernel functions."""

    if TYPE_CHECKING:

        def info(self) -> KProbeMultiInfo: ...


def attach_kprobe_multi(
    program: Attachable,
    pattern: str | None = None,
    *,
    functions: Sequence[str] | None = None,
    addresses: Sequence[int] | None = None,
    cookies: Sequence[int] | None = None,
    on_return: bool = False,
    session: bool = False,
    unique_match: bool = False,
) -> Link:
    """Attaches a program to many kernel functions at once, faster by far than by a kprobe each.

    Args:
        program: a loaded `KProbeMulti` or `KProbeSession`, of any origin.
        pattern: the functions by their names, where * stands for any text and ? for any
            character; all that ftrace can trace are looked through. Or
        functions: the functions by their names, as in /proc/kallsyms; or
        addresses: the functions by their addresses.
        cookies: for each of functions or addresses a number that the program gets from
            bpf_get_attach_cookie().
        on_return: run when they return, not when they are entered.
        session: run for both; a `KProbeSession` always does (6.10).
        unique_match: with a pattern, refuse more than one function.

    Returns:
        A `KProbeMultiLink`, which the caller owns.

    Raises:
        ProgramTypeError: the program is of another type, or for one function at a time.
        ValueError: not exactly one of pattern, functions and addresses, or options that
            exclude each other.
        NotFoundError: there is no such function, or none that can be traced.
        NotSupportedError: this kernel has no kprobe.multi (5.18, with CONFIG_FPROBE), or no sessions.
        PermissionDeniedError: without CAP_PERFMON, or under lockdown.
        BpfError: several functions match, or an address is not that of a function.

    libbpf: bpf_program__attach_kprobe_multi_opts, bpf_link_create (5.18).
    """
    session = is_session(program, session, AttachType.TRACE_KPROBE_MULTI, AttachType.TRACE_KPROBE_SESSION)
    given = choose(cookies, pattern=pattern, functions=functions, addresses=addresses)
    if on_return and session:
        raise ValueError("a session runs on entry and on return: on_return is for others")
    if unique_match and pattern is None:
        raise ValueError("unique_match is for a pattern")
    if pattern is not None:
        return _attach_by_pattern(program, pattern, on_return, session, unique_match)
    options = link_options()
    part = options.kprobe_multi
    # What options points to lives as long as these names.
    names = CStrings(functions, "function")
    numbers = cookie_array(cookies), unsigned_longs(addresses)
    part.flags = _BPF_F_KPROBE_MULTI_RETURN if on_return else 0
    part.cnt = len(given)
    part.syms = names.array
    part.cookies, part.addrs = numbers
    try:
        return create_link(
            program,
            0,
            AttachType.TRACE_KPROBE_SESSION if session else AttachType.TRACE_KPROBE_MULTI,
            options,
            where=f"{count(len(given), 'function')} by {_kind(on_return)}",
            link_type=LinkType.KPROBE_MULTI,
        )
    except BpfError as error:
        raise_explained(error, explain_kprobe_multi(error, session=session, functions=functions))


def _attach_by_pattern(
    program: Attachable, pattern: str, on_return: bool, session: bool, unique_match: bool
) -> Link:
    options = ffi.new("struct bpf_kprobe_multi_opts *")
    options.sz = ffi.sizeof("struct bpf_kprobe_multi_opts")
    options.retprobe = on_return
    options.session = session
    options.unique_match = unique_match
    return attach_by_libbpf(
        program,
        lib.call_bpf_program__attach_kprobe_multi_opts,
        c_string(pattern, "pattern"),
        options,
        operation=f"attach program '{program.name}' to {_kind(on_return)}",
        subject=f"'{pattern}'",
        explain=lambda error: explain_kprobe_multi(
            error, session=session, pattern=pattern, unique_match=unique_match
        ),
    )


def _kind(on_return: bool) -> str:
    return "kretprobe.multi" if on_return else "kprobe.multi"


def explain_kprobe_multi(
    error: BpfError,
    *,
    session: bool = False,
    functions: Sequence[str] | None = None,
    pattern: str | None = None,
    unique_match: bool = False,
) -> BpfError:
    """What a refusal to attach to many kernel functions means."""
    missing = (session and why_not(AttachType.TRACE_KPROBE_SESSION)) or why_not(LinkType.KPROBE_MULTI)
    if not missing and lacks_function("register_fprobe_ips"):
        missing = "This kernel was built without fprobe (CONFIG_FPROBE)."
    if missing:
        return instead(error, NotSupportedError, errno.EOPNOTSUPP, missing)
    by_name = functions is not None or pattern is not None
    if by_name and error.errno in (errno.ESRCH, errno.ENOENT):
        return instead(error, NotFoundError, errno.ENOENT, _missing(functions, pattern))
    if error.errno == errno.EINVAL and error.messages and "unique match" in error.messages[-1]:
        hint = f"'{pattern}' is to match one function of the kernel: make it more exact."
        return instead(error, BpfError, errno.EADDRNOTAVAIL, hint)
    # For an address of no function Linux 6.12 answers EINVAL, and 7.2 ENOENT.
    if error.errno in (errno.EINVAL, errno.ENOENT):
        # Before the kernel sees it, a libbpf that does not know an option refuses it.
        by_libbpf = pattern is not None
        old = too_old("session", (1, 5), session and by_libbpf) or too_old(
            "unique_match", (1, 6), unique_match
        )
        if old:
            return instead(error, NotSupportedError, errno.EOPNOTSUPP, old)
        error.hint = (
            "The program must have been loaded for many functions at once, and for a session if it is one; "
            "addresses must be those of functions that ftrace can trace."
        )
    elif error.errno == errno.E2BIG:
        error.hint = "The kernel takes at most 2**20 functions."
    return error


def _missing(functions: Sequence[str] | None, pattern: str | None) -> str:
    available = next((path for path in _AVAILABLE if os.path.exists(path)), None)
    if available is None:
        return "tracefs is not mounted: `mount -t tracefs tracefs /sys/kernel/tracing`."
    if functions is None:
        return f"No function that can be traced matches '{pattern}': {available} has what there is."
    with open(available) as lines:
        known = {line.split()[0] for line in lines}
    unknown = ", ".join(f"'{name}'" for name in functions if name not in known)
    return f"There is no {unknown or 'such function'} among those that can be traced: {available} has them."


# Where libbpf looks (libbpf.c:tracefs_available_filter_functions).
_AVAILABLE = (
    "/sys/kernel/tracing/available_filter_functions",
    "/sys/kernel/debug/tracing/available_filter_functions",
)
