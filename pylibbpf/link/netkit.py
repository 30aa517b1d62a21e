# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of programs on the two ends of a netkit device."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, cast

from ..enums import AttachType, LinkType
from ..errors import BpfError, NotSupportedError
from ..since import lacks_function
from .link import Link
from .mprog import attach_to_device

if TYPE_CHECKING:
    from .anchor import Anchor
    from .create import Attachable
    from .info import InterfaceDirectionInfo


class NetkitLink(Link):
    """A program on what one end of a netkit device sends. It goes with its device."""

    _updatable = True

    if TYPE_CHECKING:

        def info(self) -> InterfaceDirectionInfo: ...


def attach_netkit(
    program: Attachable,
    interface: str | int,
    *,
    attach_type: AttachType | None = None,
    anchor: Anchor | None = None,
    expected_revision: int = 0,
) -> NetkitLink:
    """Attaches a program to a netkit device, among others.

    Args:
        program: a loaded `Netkit` or `SchedCls`, of any origin.
        interface: the primary device of the pair, by name or index, of the network namespace of
            this thread.
        attach_type: NETKIT_PRIMARY for what the primary device sends, NETKIT_PEER for its peer;
            by default what the section says.
        anchor, expected_revision: as for `attach_tcx`.

    Returns:
        A `NetkitLink`. The caller owns it.

    Raises:
        NotSupportedError: the kernel is older than 6.7, or was built without netkit.
        BpfError: the device is no netkit device, or the peer of one.
        And as `attach_tcx`.

    libbpf: bpf_link_create, as bpf_program__attach_netkit does it (6.7).
    """
    try:
        link = attach_to_device(
            program, interface, attach_type, (AttachType.NETKIT_PRIMARY, AttachType.NETKIT_PEER),
            LinkType.NETKIT, anchor, expected_revision,
        )  # fmt: skip
    except BpfError as error:
        if error.errno == errno.EINVAL and lacks_function("netkit_link_attach"):
            error.hint = "This kernel was built without netkit (CONFIG_NETKIT)."
            raise NotSupportedError(
                errno.EOPNOTSUPP, error.operation, error.subject, hint=error.hint
            ) from error
        # drivers/net/netkit.c:netkit_dev_fetch
        if error.errno == errno.ENXIO:
            error.hint = "It is no netkit device: `ip link add NAME type netkit`."
        elif error.errno == errno.EACCES:
            error.hint = "It is the peer of a netkit pair: programs for both ends attach to the primary."
        raise
    return cast("NetkitLink", link)
