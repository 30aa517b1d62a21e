# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of programs on what a device receives and sends: tcx."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..enums import AttachType, LinkType
from .link import Link
from .mprog import attach_to_device

if TYPE_CHECKING:
    from .anchor import Anchor
    from .create import Attachable
    from .info import InterfaceDirectionInfo


class TcxLink(Link):
    """A program on what a device receives or sends. It goes with its device: `info().ifindex` is 0 then."""

    _updatable = True

    if TYPE_CHECKING:

        def info(self) -> InterfaceDirectionInfo: ...


def attach_tcx(
    program: Attachable,
    interface: str | int,
    *,
    attach_type: AttachType | None = None,
    anchor: Anchor | None = None,
    expected_revision: int = 0,
) -> TcxLink:
    """Attaches a program of traffic control to a device, among others, without a qdisc.

    Args:
        program: a loaded `Tcx` or `SchedCls`, of any origin.
        interface: the device, by name or index, of the network namespace of this thread.
        attach_type: TCX_INGRESS or TCX_EGRESS; by default what the section says.
        anchor: where among the programs that are there: `Head()`, `Tail()`, `Before(x)` or
            `After(x)`; by default behind them.
        expected_revision: fail if the hook has changed since `query` told this revision; 0 for any.

    Returns:
        A `TcxLink`. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type.
        TypeError: neither the section nor the caller says in which direction.
        NotFoundError: there is no such device, or what the anchor names is not attached there.
        NotSupportedError: the kernel is older than 6.6.
        BpfError: the kernel refused: ESTALE if the hook has changed.

    libbpf: bpf_link_create, as bpf_program__attach_tcx does it (6.6).
    """
    link = attach_to_device(
        program, interface, attach_type, (AttachType.TCX_INGRESS, AttachType.TCX_EGRESS), LinkType.TCX,
        anchor, expected_revision,
    )  # fmt: skip
    return cast("TcxLink", link)
