# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of devices that run several programs in an order: what tcx and netkit have in common.

The kernel calls such a hook an mprog (kernel/bpf/mprog.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..enums import AttachType, LinkType, ProgramType
from ..errors import BpfError, ProgramTypeError
from .anchor import lend_place
from .create import create_link, link_options, require_program
from .program_attach import explain_order
from .target import describe_target, lend_target

if TYPE_CHECKING:
    from .anchor import Anchor
    from .create import Attachable
    from .link import Link


def attach_to_device(
    program: Attachable,
    interface: str | int,
    attach_type: AttachType | None,
    possible: tuple[AttachType, AttachType],
    link_type: LinkType,
    anchor: Anchor | None,
    expected_revision: int,
) -> Link:
    """Attaches a program of traffic control to a device, by a link.

    Args:
        program: a loaded program of any origin.
        interface: the device, by name or index.
        attach_type: the hook; None for what the program expects.
        possible: the hooks of this kind of link.
        link_type: this kind of link, whose name the options have in struct bpf_link_create_opts.
        anchor: where among the programs that are there.
        expected_revision: of the hook, 0 for any.
    """
    require_program(program, ProgramType.SCHED_CLS)
    wanted = _hook(program, attach_type, possible)
    where = describe_target(interface)
    operation = f"attach program '{program.name}' to"
    with lend_target(interface, wanted, operation) as index, lend_place(anchor, 0, link=True) as place:
        options = link_options()
        options.flags = place.flags
        part = getattr(options, link_type.name.lower())
        part.relative_fd = place.relative_fd
        part.relative_id = place.relative_id
        part.expected_revision = expected_revision
        try:
            return create_link(program, index, wanted, options, where=where, link_type=link_type)
        except BpfError as error:
            explain_order(error, index, wanted)
            raise


def _hook(
    program: Attachable, given: AttachType | None, possible: tuple[AttachType, AttachType]
) -> AttachType:
    wanted = given if given is not None else program.expected_attach_type
    names = " or ".join(hook.name for hook in possible)
    # A program without an attach type of its own, SEC("tc"), has the 0 of another kind.
    if given is None and wanted not in possible:
        raise TypeError(f"program '{program.name}' does not say where it attaches: give attach_type={names}")
    if wanted not in possible:
        raise ProgramTypeError(f"attach_type is {names} here, not {AttachType(wanted or 0).name}")
    return AttachType(wanted)
