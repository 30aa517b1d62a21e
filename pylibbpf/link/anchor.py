# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Anchors: where a program goes among those that are attached to the same hook."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .._native import lib, open_fd
from ..enums import AttachFlags
from .link import Link

if TYPE_CHECKING:
    from .create import Attachable

# An int: every attach asks, and flags of enum are slow.
_ANCHOR_BITS = int(
    AttachFlags.REPLACE | AttachFlags.BEFORE | AttachFlags.AFTER | AttachFlags.ID | AttachFlags.LINK
)


class Place(NamedTuple):
    """An anchor as the kernel takes it. The fds stay open as long as the place is lent."""

    flags: int
    relative_fd: int = 0
    relative_id: int = 0
    replace_fd: int = 0


class Anchor:
    """A place among the attached programs: `Head`, `Tail`, `Before`, `After` or `Replace`.

    Kernel: 6.6 for tcx, 6.7 for netkit, 6.17 for cgroups; Replace in a cgroup 5.6.
    """

    def _place(self, flags: int, stack: contextlib.ExitStack) -> Place:
        raise NotImplementedError


@dataclass(frozen=True)
class Head(Anchor):
    """Before all others."""

    def _place(self, flags: int, stack: contextlib.ExitStack) -> Place:
        return Place(flags | AttachFlags.BEFORE)


@dataclass(frozen=True)
class Tail(Anchor):
    """After all others."""

    def _place(self, flags: int, stack: contextlib.ExitStack) -> Place:
        return Place(flags | AttachFlags.AFTER)


@dataclass(frozen=True)
class _Neighbour(Anchor):
    """Next to another attachment.

    Attributes:
        other: a program, a link, or an id.
        is_link: whether an id is a link's. An id alone is a program's.
    """

    other: Attachable | Link | int
    _: KW_ONLY
    is_link: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.other, int):
            _require_id(self.other)
        elif self.is_link and not isinstance(self.other, Link):
            raise TypeError("is_link says what an id is of")
        elif not isinstance(self.other, Link):
            _require_program(self.other)

    def _next_to(self, flags: int, stack: contextlib.ExitStack) -> Place:
        other = self.other
        if isinstance(other, int):
            return Place(flags | (AttachFlags.LINK if self.is_link else 0), relative_id=other)
        if isinstance(other, Link) and other.is_bpf_link:
            return Place(flags | AttachFlags.LINK, relative_fd=stack.enter_context(other._fd_handle()))
        if isinstance(other, Link):
            # The kernel knows an attachment without a link by its program.
            attachment = stack.enter_context(other._handle)
            if not hasattr(attachment, "program_fd"):
                raise TypeError(f"an anchor cannot be at {other!r}, which is no link")
            return Place(flags, relative_fd=attachment.program_fd)
        return Place(flags, relative_fd=stack.enter_context(other._fd_handle()))


@dataclass(frozen=True)
class Before(_Neighbour):
    """Before another: `Before(program)`, `Before(link)`, `Before(program_id)`, and with the id of a link
    `Before(id, is_link=True)`.
    """

    def _place(self, flags: int, stack: contextlib.ExitStack) -> Place:
        return self._next_to(flags | AttachFlags.BEFORE, stack)


@dataclass(frozen=True)
class After(_Neighbour):
    """After another: `After(program)`, `After(link)`, `After(program_id)`, and with the id of a link
    `After(id, is_link=True)`.
    """

    def _place(self, flags: int, stack: contextlib.ExitStack) -> Place:
        return self._next_to(flags | AttachFlags.AFTER, stack)


@dataclass(frozen=True)
class Replace(Anchor):
    """In the place of another program: `Replace(program)`, `Replace(program_id)`.

    For `raw_attach_program` only. The program of a link is replaced by `link.update()`.
    """

    other: Attachable | int

    def __post_init__(self) -> None:
        if isinstance(self.other, Link):
            raise TypeError("the program of a link is replaced by link.update(program)")
        if isinstance(self.other, int):
            _require_id(self.other)
        else:
            _require_program(self.other)

    def _place(self, flags: int, stack: contextlib.ExitStack) -> Place:
        if isinstance(self.other, int):
            subject = f"id {self.other}"
            handle = open_fd(
                lib.call_bpf_prog_get_fd_by_id, self.other, operation="open program", subject=subject
            )
            stack.callback(handle.close)
        else:
            handle = self.other._fd_handle()
        return Place(flags | AttachFlags.REPLACE, replace_fd=stack.enter_context(handle))


def _require_id(id: int) -> None:
    if isinstance(id, bool):
        raise TypeError("an id is an int, not bool")
    if not 0 < id < 1 << 32:
        raise ValueError(f"an id is a positive number of 32 bits, not {id}")


def _require_program(other: Any) -> None:
    # Of the class: of the program, hasattr would ask libbpf for the attach type.
    if not hasattr(type(other), "_fd_handle") or not hasattr(type(other), "expected_attach_type"):
        raise TypeError(f"an anchor is at a program, a link or an id, not {type(other).__name__}")


# Where most programs go.
_THE_END = contextlib.nullcontext(Place(0))


def lend_place(
    anchor: Anchor | None, flags: int, *, link: bool = False
) -> contextlib.AbstractContextManager[Place]:
    """An anchor as the kernel takes it, for the length of a call.

    Args:
        anchor: the anchor; None for the kernel's own choice, the end.
        flags: the caller's other flags.
        link: whether it is for a new link, which cannot replace.

    Raises:
        ValueError: an anchor that a link cannot have, or an anchor's bits in `flags`.
        TypeError: something else than an anchor.
    """
    if flags & _ANCHOR_BITS:
        bits = AttachFlags(flags & _ANCHOR_BITS)
        raise ValueError(f"flags has the bits of an anchor, {bits!r}: use anchor= instead")
    if anchor is not None and not isinstance(anchor, Anchor):
        raise TypeError(f"anchor is Head(), Tail(), Before(x), After(x) or Replace(x), not {anchor!r}")
    if link and isinstance(anchor, Replace):
        raise ValueError("a new link replaces nothing: use link.update(), or raw_attach_program")
    if anchor is None:
        return contextlib.nullcontext(Place(flags)) if flags else _THE_END
    return _lend(anchor, flags)


@contextlib.contextmanager
def _lend(anchor: Anchor, flags: int) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        yield anchor._place(flags, stack)
