# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Where programs attach, by their type: what the classes of programs and the attach functions both ask."""

from __future__ import annotations

from .enums import AttachType, ProgramType

# kernel/bpf/syscall.c:attach_type_to_prog_type, for cgroups
ON_CGROUPS: dict[ProgramType, tuple[AttachType, ...]] = {
    ProgramType.CGROUP_SKB: (AttachType.CGROUP_INET_INGRESS, AttachType.CGROUP_INET_EGRESS),
    ProgramType.CGROUP_SOCK: (
        AttachType.CGROUP_INET_SOCK_CREATE,
        AttachType.CGROUP_INET_SOCK_RELEASE,
        AttachType.CGROUP_INET4_POST_BIND,
        AttachType.CGROUP_INET6_POST_BIND,
    ),
    ProgramType.CGROUP_SOCK_ADDR: (
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
    ),
    ProgramType.CGROUP_SOCKOPT: (AttachType.CGROUP_GETSOCKOPT, AttachType.CGROUP_SETSOCKOPT),
    ProgramType.CGROUP_SYSCTL: (AttachType.CGROUP_SYSCTL,),
    ProgramType.CGROUP_DEVICE: (AttachType.CGROUP_DEVICE,),
    ProgramType.SOCK_OPS: (AttachType.CGROUP_SOCK_OPS,),
    ProgramType.LSM: (AttachType.LSM_CGROUP,),
}
ON_SOCKET_MAPS: dict[ProgramType, tuple[AttachType, ...]] = {
    ProgramType.SK_MSG: (AttachType.SK_MSG_VERDICT,),
    ProgramType.SK_SKB: (
        AttachType.SK_SKB_STREAM_PARSER,
        AttachType.SK_SKB_STREAM_VERDICT,
        AttachType.SK_SKB_VERDICT,
    ),
}
ON_NAMESPACES: dict[ProgramType, tuple[AttachType, ...]] = {
    ProgramType.SK_LOOKUP: (AttachType.SK_LOOKUP,),
    ProgramType.FLOW_DISSECTOR: (AttachType.FLOW_DISSECTOR,),
}
