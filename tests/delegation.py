# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A BPF file system that delegates rights to a user namespace: Documentation/userspace-api/ebpf tokens.

It takes two: a process inside a new user namespace opens the file system's context, which ties it to
that namespace, and one with CAP_SYS_ADMIN outside says what is delegated, and makes it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

# include/uapi/linux/sched.h
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
# include/uapi/linux/mount.h, and the system calls' numbers, which are those of all architectures.
_FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 1, 6
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_FSOPEN_CLOEXEC = _FSMOUNT_CLOEXEC = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def in_user_namespace(work: Callable[[str], object], **delegated: str) -> None:
    """Does something in a forked child that is root of a new user, mount and network namespace, and has no
    rights outside. It must not fail.

    Args:
        work: is called in the child with the path of a bpffs of that namespace.
        delegated: what the bpffs delegates, `cmds="any"`, `progs="socket_filter"` (mount options
            delegate_cmds and so on).
    """
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        status = 1
        try:
            _work_inside(work, theirs)
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)  # never back into pytest
    theirs.close()
    with ours:
        try:
            _delegate(child, ours, delegated)
        finally:
            ours.close()
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, "the child failed: its traceback is on stderr"


def _work_inside(work: Callable[[str], object], parent: socket.socket) -> None:
    _checked(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWNET))
    parent.send(b"in a namespace of its own")
    assert parent.recv(1), "the parent could not map our ids"
    context = _checked(_libc.syscall(_FSOPEN, b"bpf", _FSOPEN_CLOEXEC))
    socket.send_fds(parent, [b"x"], [context])
    _, (mount,), _, _ = socket.recv_fds(parent, 1, 1)
    work(f"/proc/self/fd/{mount}")


def _delegate(child: int, inside: socket.socket, delegated: dict[str, str]) -> None:
    assert inside.recv(100), "the child could not make a user namespace"
    Path(f"/proc/{child}/setgroups").write_text("deny")
    for ids in ("uid_map", "gid_map"):
        Path(f"/proc/{child}/{ids}").write_text("0 0 1")
    inside.send(b"x")
    _, (context,), _, _ = socket.recv_fds(inside, 1, 1)
    for what, value in delegated.items():
        _configure(context, _FSCONFIG_SET_STRING, f"delegate_{what}".encode(), value.encode())
    _configure(context, _FSCONFIG_CMD_CREATE)
    mount = _checked(_libc.syscall(_FSMOUNT, context, _FSMOUNT_CLOEXEC, 0))
    os.close(context)
    socket.send_fds(inside, [b"x"], [mount])
    os.close(mount)


def _configure(context: int, command: int, key: bytes | None = None, value: bytes | None = None) -> None:
    _checked(_libc.syscall(_FSCONFIG, context, command, key, value, 0))
