# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of cgroup programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .._native import NULL
from ..attach_types import ON_CGROUPS
from ..enums import AttachFlags, AttachType, LinkType, ProgramType
from ..errors import BpfError, ProgramTypeError
from ..fds import open_target
from .anchor import Replace, lend_place
from .attachment import LinkOrAttachment
from .create import create_link, link_options, require_program
from .link import _load_pinned
from .program_attach import attach_legacy, explain_link, require_order
from .target import describe_target

if TYPE_CHECKING:
    from .._libbpf import CData
    from .._native import StrPath
    from ..fds import HasFileno
    from .anchor import Anchor, Place
    from .create import Attachable


class CgroupLink(LinkOrAttachment):
    """A program on a cgroup. With `legacy=True` an attachment without a link: `is_bpf_link` is False."""

    _kernel_type = LinkType.CGROUP


def attach_cgroup(
    program: Attachable,
    cgroup: StrPath | int | HasFileno,
    *,
    attach_type: AttachType | None = None,
    anchor: Anchor | None = None,
    expected_revision: int = 0,
    flags: int = 0,
    legacy: bool = False,
) -> CgroupLink:
    """Attaches a program to a cgroup, beside those that are there. It sees the cgroups below it, too.

    Args:
        program: a loaded program of any origin and of a cgroup kind.
        cgroup: the directory of the cgroup, on a cgroup v2 file system: a path or an fd.
        attach_type: the hook; by default what the program expects, ingress for the section
            "cgroup/skb", which does not say.
        anchor: where among the programs that are there: `Head()`, `Tail()`, `Before(x)` or
            `After(x)` (6.17); by default behind them.
        expected_revision: fail if the hook has changed since `query` told this revision; 0 for
            any (6.17).
        flags: `AttachFlags.PREORDER` (6.15).
        legacy: attach without a link, by BPF_PROG_ATTACH, for kernels before 5.7. Such an
            attachment outlives the process if nobody closes it, and is there once per program.

    Returns:
        A `CgroupLink`. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another kind, or does not tell its attach type.
        NotFoundError: there is no such cgroup.
        ExistsError: the program is attached there already (legacy).
        NotSupportedError: this kernel has no links for cgroups, or no order in them.
        BpfError: the kernel refused: ESTALE if the hook has changed.

    libbpf: bpf_link_create (5.7), bpf_prog_attach_opts.
    """
    require_program(program, *ON_CGROUPS)
    wanted = _attach_type_of(program, attach_type)
    operation = f"attach program '{program.name}' to"
    with open_target(cgroup, operation) as fd:
        if legacy:
            _require_beside(anchor, flags)
            return attach_legacy(
                CgroupLink, fd, program, wanted, where=describe_target(cgroup), anchor=anchor,
                flags=flags | AttachFlags.ALLOW_MULTI, expected_revision=expected_revision,
            )  # fmt: skip
        with lend_place(anchor, flags, link=True) as place:
            if anchor is not None or expected_revision:
                require_order(fd, wanted, anchor, expected_revision, operation, describe_target(cgroup))
            options = _options(place, expected_revision)
            try:
                link = create_link(program, fd, wanted, options, target=cgroup, link_type=LinkType.CGROUP)
            except BpfError as error:
                explain_link(error, fd, program, wanted, LinkType.CGROUP, anchor, flags)
                raise
    return cast("CgroupLink", link)


def _attach_type_of(program: Attachable, given: AttachType | None) -> AttachType:
    wanted = program.expected_attach_type if given is None else AttachType(given)
    possible = ON_CGROUPS[program.type]
    if wanted is None and len(possible) == 1 and program.type != ProgramType.LSM:
        return possible[0]
    if wanted is None:
        raise ProgramTypeError(
            f"program '{program.name}' came from the kernel, which does not tell where it attaches: "
            f"give attach_type=, one of {', '.join(found.name for found in possible)}"
        )
    if wanted not in possible:
        raise ProgramTypeError(
            f"program '{program.name}' of type {program.type.name} does not attach as {wanted.name}"
        )
    return wanted


def _require_beside(anchor: Anchor | None, flags: int) -> None:
    """An attachment in the place of a link takes no other's place, so that closing it ends no other."""
    if isinstance(anchor, Replace):
        raise ValueError("legacy=True replaces nothing: use link.update(), or raw_attach_program")
    if flags & AttachFlags.ALLOW_OVERRIDE:
        raise ValueError("legacy=True attaches beside others: use raw_attach_program for ALLOW_OVERRIDE")


def _options(place: Place, expected_revision: int) -> CData:
    if not expected_revision and not any(place):
        return NULL
    options = link_options()
    options.flags = place.flags
    options.cgroup.relative_fd = place.relative_fd
    options.cgroup.relative_id = place.relative_id
    options.cgroup.expected_revision = expected_revision
    return options


def load_pinned_cgroup(path: StrPath) -> CgroupLink:
    """The cgroup link pinned at a path. `unpin()` will remove that pin.

    Raises:
        NotFoundError: there is no such pin.
        TypeError: a program, a map or a link of another type is pinned there.

    libbpf: bpf_obj_get (BPF_OBJ_GET).
    """
    return cast("CgroupLink", _load_pinned(path, CgroupLink))
