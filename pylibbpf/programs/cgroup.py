# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on what the processes of a cgroup do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..attach_types import ON_CGROUPS
from ..enums import AttachType, ProgramType
from .alone import LoadedAlone
from .program import Program

if TYPE_CHECKING:
    from .._native import StrPath
    from ..fds import HasFileno
    from ..link import Anchor, CgroupLink


class AttachesToCgroup(Program):
    """A kind that attaches to a cgroup."""

    def attach(
        self,
        cgroup: StrPath | int | HasFileno,
        *,
        attach_type: AttachType | None = None,
        anchor: Anchor | None = None,
        expected_revision: int = 0,
        flags: int = 0,
        legacy: bool = False,
    ) -> CgroupLink:
        """Attaches it to a cgroup. The link is tracked: `detach`, `take_link`.

        Args:
            cgroup: the directory of the cgroup, on a cgroup v2 file system: a path or an fd.
            attach_type: the hook; by default what the section says.
            anchor: where among the programs that are there (6.17); by default behind them.
            expected_revision: fail if the hook has changed since `link.query` told this
                revision; 0 for any (6.17).
            flags: `AttachFlags.PREORDER` (6.15).
            legacy: attach without a link, for kernels before 5.7. Such an attachment outlives
                the process if nobody closes it.

        Raises:
            StateError: it is not loaded.
            And as `link.attach_cgroup`.

        libbpf: bpf_link_create (5.7), bpf_prog_attach_opts.
        """
        from ..link import attach_cgroup

        link = attach_cgroup(
            self, cgroup, attach_type=attach_type, anchor=anchor,
            expected_revision=expected_revision, flags=flags, legacy=legacy,
        )  # fmt: skip
        return self._track(link)


class CgroupProgram(AttachesToCgroup, LoadedAlone):
    """What the programs on what the processes of a cgroup do have in common."""


class SockOps(CgroupProgram):
    """Runs on the events of TCP connections.

    Section: sockops. Kernel: 4.13.
    """

    _type = ProgramType.SOCK_OPS
    _attach_types = ON_CGROUPS[_type]
    _sections = ("sockops",)


class CgroupSkb(CgroupProgram):
    """Passes or drops packets.

    Section: cgroup_skb/ingress, cgroup_skb/egress, cgroup/skb. Kernel: 4.10.
    """

    _type = ProgramType.CGROUP_SKB
    _attach_types = ON_CGROUPS[_type]
    _sections = ("cgroup_skb/ingress", "cgroup_skb/egress", "cgroup/skb")


class CgroupSock(CgroupProgram):
    """Allows, or forbids, making and binding sockets.

    Section: cgroup/sock and its siblings. Kernel: 4.10.
    """

    _type = ProgramType.CGROUP_SOCK
    _attach_types = ON_CGROUPS[_type]
    _sections = (
        "cgroup/sock",
        "cgroup/sock_create",
        "cgroup/sock_release",
        "cgroup/post_bind4",
        "cgroup/post_bind6",
    )


class CgroupSockAddr(CgroupProgram):
    """Sees and rewrites addresses in bind, connect, sendmsg and so on.

    Section: cgroup/bind4 and its siblings. Kernel: 4.17.
    """

    _type = ProgramType.CGROUP_SOCK_ADDR
    _attach_types = ON_CGROUPS[_type]
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


class CgroupSockopt(CgroupProgram):
    """Sees and changes socket options.

    Section: cgroup/getsockopt, cgroup/setsockopt. Kernel: 5.3.
    """

    _type = ProgramType.CGROUP_SOCKOPT
    _attach_types = ON_CGROUPS[_type]
    _sections = ("cgroup/getsockopt", "cgroup/setsockopt")


class CgroupSysctl(CgroupProgram):
    """Sees and changes sysctls.

    Section: cgroup/sysctl. Kernel: 5.2.
    """

    _type = ProgramType.CGROUP_SYSCTL
    _attach_types = ON_CGROUPS[_type]
    _sections = ("cgroup/sysctl",)


class CgroupDevice(CgroupProgram):
    """Allows, or forbids, access to device nodes.

    Section: cgroup/dev. Kernel: 4.15.
    """

    _type = ProgramType.CGROUP_DEVICE
    _attach_types = ON_CGROUPS[_type]
    _sections = ("cgroup/dev",)
