# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching without a link: BPF_PROG_ATTACH and BPF_PROG_DETACH.

What is attached so belongs to the hook: it outlives the process, and everyone who
may attach there may detach it. A link is the better way where the kernel has one.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING, TypeVar

from .._native import NULL, Call, check, collect, error_of, ffi, lib
from ..enums import AttachFlags, AttachType
from ..errors import BpfError, ExistsError, NotSupportedError, ProgramTypeError, from_errno
from ..since import lacks, why_not
from .anchor import After, Anchor, Before, Place, Replace, lend_place
from .attachment import Attachment, LinkOrAttachment, hold, program_id
from .create import require_program
from .query import is_without_order, query
from .target import describe_target, is_on_cgroups, lend_target, what_is_wrong

if TYPE_CHECKING:
    from .._libbpf import CData
    from .._native import StrPath
    from ..enums import LinkType
    from ..fds import HasFileno
    from .create import Attachable

L = TypeVar("L", bound=LinkOrAttachment)

_LEGACY = "legacy=True attaches without a link: such an attachment outlives the process if nobody closes it."


def raw_attach_program(
    target: StrPath | int | HasFileno,
    program: Attachable,
    attach_type: AttachType,
    *,
    anchor: Anchor | None = None,
    flags: int = 0,
    expected_revision: int = 0,
) -> None:
    """Attaches a program to a hook, without a link. It stays until `raw_detach_program`, or for ever.

    Args:
        target: a cgroup or network namespace by path or fd, a SockMap or SockHash by object or
            fd, an interface by name or index (tcx, netkit), as the attach type wants it.
        program: a loaded program of any origin.
        attach_type: the hook.
        anchor: where among the programs that are there: `Head()`, `Tail()`, `Before(x)`,
            `After(x)` or `Replace(x)` (tcx 6.6, netkit 6.7, cgroups 6.17; Replace in cgroups 5.6).
        flags: `AttachFlags`, less those of anchors. A cgroup takes only one program per hook
            without ALLOW_MULTI.
        expected_revision: fail if the hook has changed since `query` told this revision; 0 for any.

    Raises:
        ExistsError: the program is attached there already.
        NotFoundError: there is no such target, or what the anchor names is not attached there.
        NotSupportedError: this kernel has no such attach type, or no such order for it.
        BpfError: the kernel refused: ESTALE if the hook has changed.

    libbpf: bpf_prog_attach_opts (cgroups 4.10).
    """
    require_program(program)
    attach_type = AttachType(attach_type)
    operation = f"attach program '{program.name}' to"
    with lend_target(target, attach_type, operation) as fd, program._fd_handle() as program_fd:
        attach_without_link(
            fd, program_fd, attach_type, anchor, flags, expected_revision, operation, describe_target(target)
        )


def raw_detach_program(
    target: StrPath | int | HasFileno,
    program: Attachable,
    attach_type: AttachType,
    *,
    anchor: Anchor | None = None,
    flags: int = 0,
    expected_revision: int = 0,
) -> None:
    """Detaches a program from a hook, to which it was attached without a link.

    Args:
        target, program, attach_type, flags, expected_revision: as for `raw_attach_program`.
        anchor: where the program must be; Replace is for attaching only.

    Raises:
        NotFoundError: the program is not attached there, or by a link.
        BpfError: the kernel refused: ESTALE if the hook has changed.

    libbpf: bpf_prog_detach_opts.
    """
    require_program(program)
    attach_type = AttachType(attach_type)
    if isinstance(anchor, Replace):
        raise ValueError("Replace is for attaching: to detach, name the program that is there")
    operation, subject = f"detach program '{program.name}' from", describe_target(target)
    with (
        lend_target(target, attach_type, operation) as fd,
        program._fd_handle() as program_fd,
        lend_place(anchor, flags) as place,
    ):
        require_order(fd, attach_type, anchor, expected_revision, operation, subject)
        # A cgroup without ALLOW_MULTI detaches whatever is there (cgroup.c:find_detach_entry).
        if is_on_cgroups(attach_type) and _is_attached(fd, program_fd, attach_type) is False:
            raise from_errno(errno.ENOENT, operation, subject, hint=_DETACH_HINTS[errno.ENOENT])
        options = ffi.new("struct bpf_prog_detach_opts *")
        options.sz = ffi.sizeof("struct bpf_prog_detach_opts")
        _fill(options, place, expected_revision)
        plain = anchor is None and not flags and not expected_revision
        result = _detach(program_fd, fd, attach_type, options, plain=plain)
        if result < 0:
            error = error_of(Call(result, -result, []), operation, subject)
            raise explained(error, fd, program_fd, attach_type, anchor, _DETACH_HINTS)


def attach_without_link(
    fd: int,
    program_fd: int,
    attach_type: AttachType,
    anchor: Anchor | None,
    flags: int,
    expected_revision: int,
    operation: str,
    subject: str,
) -> None:
    """BPF_PROG_ATTACH, with words for what the kernel refuses."""
    collect()  # an attachment that was dropped would still be there
    with lend_place(anchor, flags) as place:
        require_order(fd, attach_type, anchor, expected_revision, operation, subject)
        result = _attach(fd, program_fd, attach_type, place, expected_revision)
        if result < 0:
            error = error_of(Call(result, -result, []), operation, subject)
            raise explained(error, fd, program_fd, attach_type, anchor, _ATTACH_HINTS)


def _attach(
    fd: int, program_fd: int, attach_type: AttachType, place: Place, expected_revision: int = 0
) -> int:
    options = ffi.new("struct bpf_prog_attach_opts *")
    options.sz = ffi.sizeof("struct bpf_prog_attach_opts")
    options.replace_fd = place.replace_fd
    _fill(options, place, expected_revision)
    return lib.bpf_prog_attach_opts(program_fd, fd, attach_type, options)


def _detach(program_fd: int, fd: int, attach_type: AttachType, options: CData, *, plain: bool) -> int:
    """Detaches a program. Without an order, also by the function that libbpf had before 1.3."""
    result: int = lib.bpf_prog_detach_opts(program_fd, fd, attach_type, options)
    if plain and result == -lib.GLUE_MISSING:
        result = lib.bpf_prog_detach2(program_fd, fd, attach_type)
    return result


def _fill(options: CData, place: Place, expected_revision: int) -> None:
    options.flags = place.flags
    options.relative_fd = place.relative_fd
    options.relative_id = place.relative_id
    options.expected_revision = expected_revision


# --- what a refusal means ---------------------------------------------------------------

_CHANGED = "The hook has changed since that revision: query() it again, decide again, and pass the new one."
_ATTACH_HINTS = {
    errno.ESTALE: _CHANGED,
    errno.EEXIST: "The program is attached there already, or the hook has room for one program only.",
    errno.ENOENT: "What the anchor names is not attached there.",
    errno.EBUSY: "A link is attached there; it would have to be updated or closed.",
    errno.E2BIG: "The hook is full: it takes 64 programs at most.",
    errno.ERANGE: "The hook is full, or the anchor contradicts what is attached there.",
    errno.EDOM: "The anchor contradicts what is attached there.",
}
_DETACH_HINTS = {
    errno.ESTALE: _CHANGED,
    errno.ENOENT: "The program is not attached there, or by a link, which is closed instead.",
    errno.EBUSY: "A link attached the program: close the link instead.",
    errno.ERANGE: "The program is not where the anchor says.",
    errno.EDOM: "The program is not where the anchor says.",
}
_OTHER_FLAGS = (
    "The hook, or that of a cgroup above, has programs that were attached with other flags "
    "(AttachFlags.ALLOW_MULTI, ALLOW_OVERRIDE): query() tells."
)
_REPLACE_NEEDS_MULTI = (
    "A cgroup replaces programs that were attached with AttachFlags.ALLOW_MULTI: add it to flags."
)
_NOT_THE_NEIGHBOUR = (
    "What the anchor names is not attached there: a program that a link attached is named by the link."
)


def require_order(
    fd: int, attach_type: AttachType, anchor: Anchor | None, revision: int, operation: str, subject: str
) -> None:
    """Raises NotSupportedError for an anchor or a revision where the hook is known to have no order."""
    wants_order = revision or not (anchor is None or isinstance(anchor, Replace))
    if wants_order and is_without_order(fd, attach_type):
        hint = "tcx has anchors and revisions since Linux 6.6, netkit since 6.7, and cgroups since 6.17."
        raise NotSupportedError(errno.EOPNOTSUPP, operation, f"{subject} in an order", hint=hint)


def explained(
    error: BpfError,
    fd: int,
    program_fd: int,
    attach_type: AttachType,
    anchor: Anchor | None,
    hints: dict[int, str],
) -> BpfError:
    """An error of BPF_PROG_ATTACH or BPF_PROG_DETACH with the words for it, as far as they are known."""
    number = error.errno or 0
    if number == errno.EINVAL:
        missing = why_not(attach_type)
        if missing:
            return NotSupportedError(number, error.operation, error.subject, hint=missing)
        if hints is _ATTACH_HINTS and _is_attached(fd, program_fd, attach_type):
            # A cgroup says EINVAL where all others say EEXIST.
            return ExistsError(errno.EEXIST, error.operation, error.subject, hint=hints[errno.EEXIST])
        if is_on_cgroups(attach_type):
            error.hint = _anchor_hint(anchor)
    _add_hint(error, fd, attach_type, hints)
    return error


def explain_link(
    error: BpfError,
    fd: int,
    program: Attachable,
    attach_type: AttachType,
    link_type: LinkType,
    anchor: Anchor | None = None,
    flags: int = 0,
) -> None:
    """Adds the words to an error of `create_link`, for links that an attachment can stand in for."""
    if isinstance(error, NotSupportedError):
        if lacks(link_type):
            error.hint = f"{error.hint} {_LEGACY}"
        return
    if error.errno == errno.EINVAL:
        error.hint = _anchor_hint(anchor)
        require_match(error, program, attach_type, anchor, flags)
    _add_hint(error, fd, attach_type, _ATTACH_HINTS)


def require_match(
    error: BpfError, program: Attachable, attach_type: AttachType, anchor: Anchor | None, flags: int
) -> None:
    """Raises ProgramTypeError if EINVAL can mean one thing only: the program expects another hook.

    The type of the program is known to be right, and the kernel to have the attach type.
    """
    if anchor is None and not flags & ~AttachFlags.ALLOW_MULTI:
        raise ProgramTypeError(
            f"program '{program.name}' was not loaded for {attach_type.name}, the kernel says"
        ) from error


def explain_order(error: BpfError, fd: int, attach_type: AttachType) -> None:
    """Adds the words to an error of `create_link`, for hooks where programs have an order."""
    _add_hint(error, fd, attach_type, _ATTACH_HINTS)


def _anchor_hint(anchor: Anchor | None) -> str:
    """What is wrong with an anchor that a cgroup answers EINVAL to."""
    if isinstance(anchor, Replace):
        return _REPLACE_NEEDS_MULTI
    return _NOT_THE_NEIGHBOUR if isinstance(anchor, (Before, After)) else ""


def _add_hint(error: BpfError, fd: int, attach_type: AttachType, hints: dict[int, str]) -> None:
    number = error.errno or 0
    hint = error.hint or hints.get(number) or what_is_wrong(fd, attach_type, number)
    if not hint and number == errno.EPERM and is_on_cgroups(attach_type):
        hint = _OTHER_FLAGS
    elif not hint and number == errno.EINVAL:
        hint = f"The program is of another kind than {attach_type.name} takes, or the flags are not for it."
    error.hint = hint


def _is_attached(fd: int, program_fd: int, attach_type: AttachType) -> bool | None:
    """Whether a hook has a program; None if the kernel does not tell."""
    try:
        return any(found.id == program_id(program_fd) for found in query(fd, attach_type).programs)
    except BpfError:
        return None


# --- an attachment in the place of a link -------------------------------------------------


class _OnTarget(Attachment):
    """An attachment by BPF_PROG_ATTACH.

    Attributes:
        target_fd: a duplicate, of the cgroup or map.
        attach_type: the hook.
        flags: `AttachFlags` that it was attached with.
    """

    def __init__(self, target_fd: int, program_fd: int, attach_type: AttachType, flags: int) -> None:
        super().__init__(program_fd)
        try:
            self.target_fd = fcntl.fcntl(target_fd, fcntl.F_DUPFD_CLOEXEC, 3)
        except BaseException:
            os.close(self.program_fd)
            raise
        self.attach_type = attach_type
        self.flags = flags

    def fds(self) -> list[int]:
        return [self.target_fd, self.program_fd]

    def _detach(self) -> BpfError | None:
        result = _detach(self.program_fd, self.target_fd, self.attach_type, NULL, plain=True)
        # Somebody else has detached it or, EBADF, removed the cgroup.
        if result >= 0 or result in (-errno.ENOENT, -errno.EBADF):
            return None
        return error_of(Call(result, -result, []), "detach", f"a program from {self.attach_type.name}")

    def _swap(self, program_fd: int) -> None:
        place = Place(self.flags)
        if is_on_cgroups(self.attach_type):
            place = Place(self.flags | AttachFlags.REPLACE, replace_fd=self.program_fd)
        # A SockMap has one program per hook: the new one takes its place.
        result = _attach(self.target_fd, program_fd, self.attach_type, place)
        check(
            result, "update", f"an attachment to {self.attach_type.name}",
            hint="Either the new program is of another kind, or the old one was detached by somebody else.",
        )  # fmt: skip


def attach_legacy(
    kind: type[L],
    target_fd: int,
    program: Attachable,
    attach_type: AttachType,
    *,
    where: str,
    anchor: Anchor | None = None,
    flags: int = 0,
    expected_revision: int = 0,
) -> L:
    """Attaches without a link, in the class of the link that it stands in for."""
    operation = f"attach program '{program.name}' to"
    with program._fd_handle() as program_fd:
        attachment = _OnTarget(target_fd, program_fd, attach_type, flags)

        def attach() -> None:
            attach_without_link(
                attachment.target_fd, program_fd, attach_type, anchor, flags, expected_revision,
                operation, where,
            )  # fmt: skip

        try:
            handle = hold(attachment, attach)
        except BpfError as error:
            if error.errno == errno.EINVAL:
                require_match(error, program, attach_type, anchor, flags)
            raise
    return kind._of_attachment(handle)
