# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of network namespace programs: flow dissector, sk_lookup."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, cast

from ..attach_types import ON_NAMESPACES
from ..enums import LinkType
from ..errors import BpfError
from ..fds import open_target
from .create import create_link, require_program
from .link import Link, _load_pinned
from .target import what_is_wrong

if TYPE_CHECKING:
    from .._native import StrPath
    from ..fds import HasFileno
    from .create import Attachable

_HINTS = {
    # net/core/flow_dissector.c:flow_dissector_bpf_prog_attach_check
    errno.EEXIST: "A namespace takes one flow dissector; one in the first namespace serves them all, and "
    "excludes those of others.",
    errno.E2BIG: "The namespace is full: it takes 64 sk_lookup programs, one flow dissector.",
}


class NetNsLink(Link):
    """A program on a network namespace."""

    _updatable = True


def attach_netns(program: Attachable, netns: StrPath | int | HasFileno) -> NetNsLink:
    """Attaches a flow dissector or a sk_lookup program to a network namespace.

    Programs of sk_lookup stand beside each other; a namespace has one flow dissector.

    Args:
        program: a loaded `SkLookup` or `FlowDissector`, of any origin.
        netns: the namespace: a path, "/proc/self/ns/net" or "/run/netns/blue", or an fd.

    Returns:
        A `NetNsLink`. The caller owns it. The link does not keep the namespace alive.

    Raises:
        ProgramTypeError: the program is of another type.
        NotFoundError: there is no such path.
        ExistsError: another flow dissector is there, or in the first namespace.
        NotSupportedError: this kernel has no such links.
        BpfError: the kernel refused; the message says if the target is no network namespace.

    libbpf: bpf_link_create (flow dissector 5.7, sk_lookup 5.9).
    """
    require_program(program, *ON_NAMESPACES)
    (attach_type,) = ON_NAMESPACES[program.type]
    with open_target(netns, f"attach program '{program.name}' to") as fd:
        try:
            link = create_link(program, fd, attach_type, target=netns, link_type=LinkType.NETNS)
        except BpfError as error:
            number = error.errno or 0
            error.hint = error.hint or _HINTS.get(number) or what_is_wrong(fd, attach_type, number)
            raise
    return cast("NetNsLink", link)


def load_pinned_netns(path: StrPath) -> NetNsLink:
    """The network namespace link pinned at a path. `unpin()` will remove that pin.

    Raises:
        NotFoundError: there is no such pin.
        TypeError: a program, a map or a link of another type is pinned there.

    libbpf: bpf_obj_get (BPF_OBJ_GET).
    """
    return cast("NetNsLink", _load_pinned(path, NetNsLink))
