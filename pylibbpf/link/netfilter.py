# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of programs on netfilter hooks."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, cast

from ..enums import AttachType, LinkType, NetfilterFamily, NetfilterHook, ProgramType
from ..errors import BpfError
from ..since import lacks_function
from .create import create_link, link_options, require_program
from .link import Link

if TYPE_CHECKING:
    from .create import Attachable
    from .info import NetfilterInfo

# include/uapi/linux/bpf.h
BPF_F_NETFILTER_IP_DEFRAG = 1 << 0


class NetfilterLink(Link):
    """A program on a netfilter hook."""

    if TYPE_CHECKING:

        def info(self) -> NetfilterInfo: ...


def attach_netfilter(
    program: Attachable,
    *,
    family: NetfilterFamily,
    hook: NetfilterHook,
    priority: int = 0,
    defragment: bool = False,
) -> NetfilterLink:
    """Attaches a program to a netfilter hook of the network namespace of this thread.

    Args:
        program: a loaded `Netfilter`, of any origin.
        family: IPV4 or IPV6.
        hook: where on the way of a packet.
        priority: the order among the programs and tables of the hook, the lowest first; each has
            one of its own, other than -2147483648 and 2147483647.
        defragment: put fragments together first (6.6); for a priority above -400.

    Returns:
        A `NetfilterLink`. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type.
        ValueError: a priority that cannot be.
        NotSupportedError: the kernel is older than 6.4, or was built without
            CONFIG_NETFILTER_BPF_LINK.
        BpfError: EBUSY if another program has that priority.

    libbpf: bpf_link_create, as bpf_program__attach_netfilter does it (6.4).
    """
    require_program(program, ProgramType.NETFILTER)
    family, hook = NetfilterFamily(family), NetfilterHook(hook)
    if not -(1 << 31) < priority < (1 << 31) - 1:
        raise ValueError(f"a priority is between -2147483648 and 2147483647, not {priority}")
    if defragment and priority <= _DEFRAGMENTS_AT:
        raise ValueError(f"fragments are put together at {_DEFRAGMENTS_AT}: the priority must be above")
    options = link_options()
    wanted = options.netfilter
    wanted.pf = family
    wanted.hooknum = hook
    wanted.priority = priority
    wanted.flags = BPF_F_NETFILTER_IP_DEFRAG if defragment else 0
    try:
        link = create_link(
            program, 0, AttachType.NETFILTER, options,
            where=lambda: f"{family.name} {hook.name} at {priority}",
            link_type=LinkType.NETFILTER, since=lambda: _since(defragment),
        )  # fmt: skip
    except BpfError as error:
        if error.errno == errno.EBUSY:
            error.hint = "Another program has this priority: take another one."
        raise
    return cast("NetfilterLink", link)


# NF_IP_PRI_CONNTRACK_DEFRAG, include/uapi/linux/netfilter_ipv4.h
_DEFRAGMENTS_AT = -400


def _since(defragment: bool) -> str:
    if lacks_function("bpf_nf_link_attach"):
        return "This kernel was built without CONFIG_NETFILTER_BPF_LINK (6.4)."
    return "Putting fragments together came with Linux 6.6." if defragment else ""
