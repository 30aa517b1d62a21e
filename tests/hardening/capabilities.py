# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Forked children that have some capabilities and no others."""

from __future__ import annotations

import ctypes
import os
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import pylibbpf as bpf

T = TypeVar("T")

# include/uapi/linux/capability.h
CAPABILITIES = {
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_ADMIN": 21,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
_VERSION_3 = 0x20080522
# include/uapi/linux/sched.h
_CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def keep_only(names: Iterable[str]) -> None:
    """Gives up all capabilities of this thread but these, for good (capset(2))."""
    mask = _mask(names)
    _capset(mask, mask)


def set_effective(names: Iterable[str] | None) -> None:
    """Lets this thread use no capabilities but these; None for all that it is permitted."""
    permitted = _permitted()
    _capset(permitted if names is None else _mask(names), permitted)


def _mask(names: Iterable[str]) -> int:
    return sum(1 << CAPABILITIES[name] for name in names)


def _permitted() -> int:
    status = Path("/proc/thread-self/status").read_text()
    return int(status.partition("CapPrm:")[2].split()[0], 16)


def _capset(effective: int, permitted: int) -> None:
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    # Effective, permitted and inheritable, of the lower 32 and then of the upper.
    low, high = (effective & 0xFFFFFFFF, permitted & 0xFFFFFFFF), (effective >> 32, permitted >> 32)
    if _libc.capset(header, (ctypes.c_uint32 * 6)(*low, 0, *high, 0)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def enter_new_network() -> None:
    """Moves this thread to a network namespace of its own (unshare(2))."""
    if _libc.unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def outcome(names: Iterable[str], before: Callable[[], T], work: Callable[[T], object]) -> str:
    """How work ends in a child with these capabilities: "" for success, or what PermissionDeniedError says.

    Args:
        names: the capabilities that the child keeps.
        before: is called in the child while it still has all, and makes what the work is done to.
        work: what is tried. Any other exception fails the test.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            said = _try(names, before, work)
        except BaseException:
            said = "!" + traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not said.startswith("!"), said
    return said


def _try(names: Iterable[str], before: Callable[[], T], work: Callable[[T], object]) -> str:
    subject = before()
    keep_only(names)
    try:
        work(subject)
    except bpf.PermissionDeniedError as error:
        return str(error) or "nothing"
    return ""
