# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of sockmap programs: sk_msg, sk_skb."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .._native import object_info
from ..attach_types import ON_SOCKET_MAPS
from ..enums import AttachType, LinkType, MapType
from ..errors import BpfError, MapTypeError, ProgramTypeError
from ..fds import lend_fd
from ..pins import require_kind
from .attachment import LinkOrAttachment
from .create import create_link, require_program
from .program_attach import attach_legacy, explain_link
from .target import describe_target

if TYPE_CHECKING:
    from ..fds import HasFileno
    from .create import Attachable

_SOCKET_MAPS = (MapType.SOCKMAP, MapType.SOCKHASH)


class SockMapLink(LinkOrAttachment):
    """A program on a SockMap or SockHash. With `legacy=True` an attachment without a link: `is_bpf_link`
    is False.
    """

    _kernel_type = LinkType.SOCKMAP


def attach_sockmap(
    program: Attachable,
    map: int | HasFileno,
    *,
    attach_type: AttachType | None = None,
    legacy: bool = False,
) -> SockMapLink:
    """Attaches a program to a map of sockets. It sees what the sockets that are put there from then on do.

    Args:
        program: a loaded `SkMsg` or `SkSkb`, of any origin.
        map: the `SockMap` or `SockHash`, or its fd.
        attach_type: the hook; by default what the program expects.
        legacy: attach without a link, by BPF_PROG_ATTACH, which takes the place of another
            that was attached so: for kernels before 6.10. Such an attachment lasts as long as
            the map if nobody closes it.

    Returns:
        A `SockMapLink`. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type, or does not tell its attach type.
        MapTypeError: the map is of another type.
        NotSupportedError: this kernel has no such links, and `legacy` is False.
        BpfError: the kernel refused: EBUSY if a link is attached to the hook.

    libbpf: bpf_link_create (6.10), bpf_prog_attach_opts (4.14).
    """
    require_program(program, *ON_SOCKET_MAPS)
    wanted = _attach_type_of(program, attach_type)
    with lend_fd(map) as fd:
        # A map that knows its type spares the kernel the question.
        if getattr(map, "type", None) not in _SOCKET_MAPS:
            _require_socket_map(fd, describe_target(map))
        if legacy:
            return attach_legacy(SockMapLink, fd, program, wanted, where=describe_target(map))
        try:
            link = create_link(program, fd, wanted, target=map, link_type=LinkType.SOCKMAP)
        except BpfError as error:
            explain_link(error, fd, program, wanted, LinkType.SOCKMAP)
            raise
    return cast("SockMapLink", link)


def _attach_type_of(program: Attachable, given: AttachType | None) -> AttachType:
    possible = ON_SOCKET_MAPS[program.type]
    wanted = program.expected_attach_type if given is None else AttachType(given)
    if wanted in possible:
        return wanted
    if len(possible) == 1 and wanted is None:
        return possible[0]
    if given is not None:
        raise ProgramTypeError(
            f"program '{program.name}' of type {program.type.name} does not attach as {given.name}"
        )
    raise ProgramTypeError(
        f"program '{program.name}' does not tell where it attaches, by its section \"{program.section}\": "
        f"give attach_type=, one of {', '.join(found.name for found in possible)}"
    )


def _require_socket_map(fd: int, where: str) -> None:
    require_kind(fd, "map", where)
    info, _ = object_info(fd, "bpf_map_info", where)
    if info.type not in _SOCKET_MAPS:
        raise MapTypeError(f"{where} is of type {MapType(info.type).name}, not SOCKMAP or SOCKHASH")
