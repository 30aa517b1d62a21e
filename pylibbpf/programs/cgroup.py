# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on what the processes of a cgroup do."""

from __future__ import annotations

from ..enums import AttachType, ProgramType
from .program import Program


class SockOps(Program):
    """Runs on the events of TCP connections.

    Section: sockops. Kernel: 4.13.
    """

    _type = ProgramType.SOCK_OPS
    _attach_types = (AttachType.CGROUP_SOCK_OPS,)
    _sections = ("sockops",)


class CgroupSkb(Program):
    """Passes or drops packets.

    Section: cgroup_skb/ingress, cgroup_skb/egress, cgroup/skb. Kernel: 4.10.
    """

    _type = ProgramType.CGROUP_SKB
    _attach_types = (AttachType.CGROUP_INET_INGRESS, AttachType.CGROUP_INET_EGRESS)
    _sections = ("cgroup_skb/ingress", "cgroup_skb/egress", "cgroup/skb")


class CgroupSock(Program):
    """Allows, or forbids, making and binding sockets.

    Section: cgroup/sock and its siblings. Kernel: 4.10.
    """

    _type = ProgramType.CGROUP_SOCK
    _attach_types = (
        AttachType.CGROUP_INET_SOCK_CREATE,
        AttachType.CGROUP_INET_SOCK_RELEASE,
        AttachType.CGROUP_INET4_POST_BIND,
        AttachType.CGROUP_INET6_POST_BIND,
    )
    _sections = (
        "cgroup/sock",
        "cgroup/sock_create",
        "cgroup/sock_release",
        "cgroup/post_bind4",
        "cgroup/post_bind6",
    )


class CgroupSockAddr(Program):
    """Sees and rewrites addresses in bind, connect, sendmsg and so on.

    Section: cgroup/bind4 and its siblings. Kernel: 4.17.
    """

    _type = ProgramType.CGROUP_SOCK_ADDR
    _attach_types = (
        AttachType.CGROUP_INET4_BIND,
        AttachType.CGROUP_INET6_BIND,
        AttachType.CGROUP_INET4_CONNECT,
        AttachType.CGROUP_INET6_CONNECT,
        AttachType.CGROUP_UNIX_CONNECT,
        AttachType.CGROUP_UDP4_SENDMSG,
        AttachType.CGROUP_UDP6_SENDMSG,
        AttachType.CGROUP_UNIX_SENDMSG,
        AttachType.CGROUP_UDP4_RECVMSG,
        AttachType.CGROUP_UDP6_RECVMSG,
        AttachType.CGROUP_UNIX_RECVMSG,
        AttachType.CGROUP_INET4_GETPEERNAME,
        AttachType.CGROUP_INET6_GETPEERNAME,
        AttachType.CGROUP_UNIX_GETPEERNAME,
        AttachType.CGROUP_INET4_GETSOCKNAME,
        AttachType.CGROUP_INET6_GETSOCKNAME,
        AttachType.CGROUP_UNIX_GETSOCKNAME,
    )
    _sections = (
        "cgroup/bind4",
        "cgroup/bind6",
        "cgroup/connect4",
        "cgroup/connect6",
        "cgroup/connect_unix",
        "cgroup/sendmsg4",
        "cgroup/sendmsg6",
        "cgroup/sendmsg_unix",
        "cgroup/recvmsg4",
        "cgroup/recvmsg6",
        "cgroup/recvmsg_unix",
        "cgroup/getpeername4",
        "cgroup/getpeername6",
        "cgroup/getpeername_unix",
        "cgroup/getsockname4",
        "cgroup/getsockname6",
        "cgroup/getsockname_unix",
    )


class CgroupSockopt(Program):
    """Sees and changes socket options.

    Section: cgroup/getsockopt, cgroup/setsockopt. Kernel: 5.3.
    """

    _type = ProgramType.CGROUP_SOCKOPT
    _attach_types = (AttachType.CGROUP_GETSOCKOPT, AttachType.CGROUP_SETSOCKOPT)
    _sections = ("cgroup/getsockopt", "cgroup/setsockopt")


class CgroupSysctl(Program):
    """Sees and changes sysctls.

    Section: cgroup/sysctl. Kernel: 5.2.
    """

    _type = ProgramType.CGROUP_SYSCTL
    _attach_types = (AttachType.CGROUP_SYSCTL,)
    _sections = ("cgroup/sysctl",)


class CgroupDevice(Program):
    """Allows, or forbids, access to device nodes.

    Section: cgroup/dev. Kernel: 4.15.
    """

    _type = ProgramType.CGROUP_DEVICE
    _attach_types = (AttachType.CGROUP_DEVICE,)
    _sections = ("cgroup/dev",)
