# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What programs attach to: the target of an attach type, in the ways that a caller may name it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
from typing import TYPE_CHECKING

from ..attach_types import ON_NAMESPACES, ON_SOCKET_MAPS
from ..enums import AttachType
from ..errors import BpfError, from_errno
from ..fds import open_target
from ..pins import fd_kind

if TYPE_CHECKING:
    from .._native import StrPath
    from ..fds import HasFileno

# Those whose target is an interface's index, where the others take an fd.
_ON_INTERFACES = {
    AttachType.XDP,
    AttachType.TCX_INGRESS,
    AttachType.TCX_EGRESS,
    AttachType.NETKIT_PRIMARY,
    AttachType.NETKIT_PEER,
}
_ON_NAMESPACES = set(itertools.chain(*ON_NAMESPACES.values()))
_ON_SOCKET_MAPS = set(itertools.chain(*ON_SOCKET_MAPS.values()))

# include/uapi/linux/nsfs.h, include/uapi/linux/sched.h
_NS_GET_NSTYPE = 0xB703
_CLONE_NEWNET = 0x40000000

_NO_INTERFACE = "There is no interface with index {} in this network namespace."


def lend_target(
    target: StrPath | int | HasFileno, attach_type: AttachType, operation: str
) -> contextlib.AbstractContextManager[int]:
    """A target as the kernel takes it, for the length of a call.

    Args:
        target: for attach types on interfaces a name or an index; for the others a path, which
            is opened and closed again, an fd, or an object with one.
        attach_type: what attaches to it.
        operation: what it is for, in error messages.

    Raises:
        NotFoundError: there is no such path or interface.
        ValueError: the number is no fd, or no index of an interface.
    """
    if attach_type in _ON_INTERFACES:
        if isinstance(target, str):
            return contextlib.nullcontext(_interface_index(target, operation))
        if isinstance(target, int) and not 0 <= target < 1 << 31:
            raise ValueError(f"the index of an interface is a number of 31 bits, and not {target}")
    return open_target(target, operation)


def describe_target(target: object) -> str:
    """A target, in words for errors."""
    if isinstance(target, int):
        return f"{target}"
    return f"'{os.fsdecode(target)}'" if isinstance(target, (str, bytes, os.PathLike)) else repr(target)


def is_on_cgroups(attach_type: AttachType) -> bool:
    """Whether programs of an attach type attach to cgroups."""
    return attach_type.name.startswith("CGROUP_") or attach_type == AttachType.LSM_CGROUP


def is_on_socket_maps(attach_type: AttachType) -> bool:
    """Whether programs of an attach type attach to SockMap and SockHash."""
    return attach_type in _ON_SOCKET_MAPS


def what_is_wrong(fd: int, attach_type: AttachType, number: int) -> str:
    """What the target of a refused call should have been, where it is known to be something else."""
    if number == errno.EBADF and is_on_cgroups(attach_type):
        return "The target is no directory of a cgroup v2 file system, or the cgroup was removed."
    if number not in (errno.EBADF, errno.EINVAL, errno.ENODEV):
        return ""
    if attach_type in _ON_NAMESPACES and not _is_network_namespace(fd):
        return "The target is no network namespace: those are /proc/PID/ns/net and /run/netns/NAME."
    if is_on_socket_maps(attach_type) and fd_kind(fd) != "map":
        return "The target is no BPF map: a SockMap or a SockHash is wanted."
    if attach_type in _ON_INTERFACES and not _is_interface(fd):
        return _NO_INTERFACE.format(fd)
    return ""


def or_no_interface(error: BpfError, index: int) -> BpfError:
    """The error, or the NotFoundError that it should have been.

    XDP (net/core/dev.c:bpf_xdp_link_attach) and qdiscs say EINVAL where there is no such interface.
    """
    if error.errno not in (errno.EINVAL, errno.ENODEV) or _is_interface(index):
        return error
    hint = _NO_INTERFACE.format(index)
    return from_errno(errno.ENODEV, error.operation, error.subject, messages=error.messages, hint=hint)


def _is_network_namespace(fd: int) -> bool:
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


def _is_interface(index: int) -> bool:
    import socket

    try:
        socket.if_indextoname(index)
    except OSError:
        return False
    return True


def _interface_index(name: str, operation: str) -> int:
    import socket

    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        hint = "There is no interface of that name in this network namespace."
        # Python's error has no number up to 3.12.
        raise from_errno(error.errno or errno.ENODEV, operation, f"interface '{name}'", hint=hint) from error
