# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Raw links: of any program to any target, for what no other function attaches."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, cast

from .._native import NULL
from ..enums import AttachType
from ..errors import BpfError, ProgramTypeError
from .create import Attachable, create_link, link_options, require_program
from .link import Link, _class_of, _load_pinned, _type_and_id
from .target import lend_target

if TYPE_CHECKING:
    from .._native import StrPath
    from ..enums import LinkType
    from ..fds import HasFileno


class RawLink(Link):
    """A link of any type, which `type` tells: what `attach_raw_link` returns, and what stands for types
    that pylibbpf has no class for.
    """

    # Of a type that nobody knows, the kernel says what it can do.
    _updatable = True
    _any_type = True

    @property
    def type(self) -> LinkType:
        """The kernel's type of the link, which is asked for when somebody wants to know."""
        if self._link_type is None:
            with self._handle:
                self._link_type, self._link_id = _type_and_id(self._fd)
        return self._link_type

    @property
    def is_bpf_link(self) -> bool:
        """True: there are no raw attachments without a link."""
        return True

    def _can_update(self) -> bool:
        return _class_of(self.type)._updatable


def attach_raw_link(
    program: Attachable,
    target: StrPath | int | HasFileno,
    attach_type: AttachType | None = None,
    *,
    btf_id: int = 0,
    flags: int = 0,
) -> RawLink:
    """Attaches a program of any kind, with nothing between the caller and the kernel.

    Args:
        program: a loaded program of any origin.
        target: what it attaches to, as its attach type wants it: a cgroup or namespace by path
            or fd, a map by object or fd, an interface by name or index, 0 for what needs none.
        attach_type: where it attaches; by default what the program expects.
        btf_id: the function in `target`, a program, for programs that replace functions.
        flags: BPF_F_* for BPF_LINK_CREATE.

    Returns:
        A `RawLink`, whatever the type of the link. The caller owns it.

    Raises:
        ProgramTypeError: the program does not tell its attach type, and none was given.
        NotFoundError: there is no such target.
        NotSupportedError: this kernel has no such attach type.
        BpfError: the kernel refused.

    libbpf: bpf_link_create (5.7).
    """
    require_program(program)
    wanted = AttachType(attach_type) if attach_type is not None else program.expected_attach_type
    if wanted is None:
        raise ProgramTypeError(
            f"program '{program.name}' came from the kernel, which does not tell where it attaches: "
            "give attach_type="
        )
    options = NULL
    if flags or btf_id:
        options = link_options()
        options.flags = flags
        options.target_btf_id = btf_id
    operation = f"attach program '{program.name}' to"
    with lend_target(target, wanted, operation) as fd:
        try:
            link = create_link(program, fd, wanted, options, target=target, kind=RawLink)
        except BpfError as error:
            if error.errno == errno.EINVAL and not error.hint:
                error.hint = "The kernel makes no link of this program, attach type, target and flags."
            raise
    return cast("RawLink", link)


def load_pinned_raw_link(path: StrPath) -> RawLink:
    """The link pinned at a path, of whatever type, as a `RawLink`. `unpin()` will remove that pin.

    Raises:
        NotFoundError: there is no such pin.
        TypeError: a program or a map is pinned there.

    libbpf: bpf_obj_get (BPF_OBJ_GET).
    """
    return cast("RawLink", _load_pinned(path, RawLink))
