# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Link: a program attached to a hook, as the kernel knows it.

A link is one handle, either of libbpf's `struct bpf_link` (perf events, USDT:
where detaching is more than closing an fd) or of a plain link fd. Every other
operation is a system call on the fd.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from .._native import Handle, check, ffi, lib
from ..enums import LinkType
from ..errors import BpfError, Error, NotFoundError, NotSupportedError
from ..fds import open_by_id
from ..pins import Pinnable, open_pinned, require_kind

if TYPE_CHECKING:
    from typing_extensions import Self

    from .._libbpf import CData
    from .._native import StrPath
    from ..programs import Program
    from .info import LinkInfo

# include/uapi/linux/bpf.h: only if the program attached is `old`.
BPF_F_REPLACE = 1 << 2

_UPDATE_HINTS = {
    -errno.EINVAL: "The program is of another type or attach type than the attached one, or the flags are "
    "not for this link.",
    -errno.ENOLINK: "What it was attached to is gone, or it was detached.",
}


class Link(Pinnable):
    """An attached program. `close()` ends the attachment, unless the link is pinned or held elsewhere.

    Its subclasses are the kernel's link types; they come from `Program.attach`, the
    `attach_*` functions, `load_pinned`, `from_id` and `from_fd`.
    """

    _pin_word = "link"
    # Whether the kernel can put another program into a link of this type.
    _updatable: ClassVar[bool] = False
    # Whether the class stands for links of every type, as RawLink does.
    _any_type: ClassVar[bool] = False

    _handle: Handle  # of libbpf's struct bpf_link, or of the fd
    _fd: int  # valid while the handle is borrowed
    _link_type: LinkType | None
    _link_id: int | None  # of a link that was made here: None until somebody asks
    _owned: bool  # made by an attach of this process: dropping it detaches
    _tracked: bool  # by its program, which closes it

    def __init__(self) -> None:
        raise TypeError("links come from attach(), load_pinned(), from_id() and from_fd()")

    @classmethod
    def _make(cls, handle: Handle, fd: int, type: LinkType | None, id: int | None, owned: bool) -> Link:
        kind = cls if type is None or cls._any_type else _class_of(type)
        self = object.__new__(kind)
        self._handle = handle
        self._fd = fd
        self._link_type = type
        self._link_id = id
        self._owned = owned
        self._tracked = False
        handle.what = f"{kind.__name__} {id}" if id else kind.__name__
        return self

    @classmethod
    def _of_pointer(cls, handle: Handle) -> Link:
        """The link that libbpf made."""
        with handle as pointer:
            fd = lib.bpf_link__fd(pointer)
            try:
                type, id = _type_and_id(fd)
            except BpfError:
                # Before 5.15 a perf event takes a program by ioctl: there is no link.
                from .perf_event import PerfEventLink

                return PerfEventLink._make(handle, fd, None, None, owned=True)
            return cls._make(handle, fd, type, id, owned=True)

    @classmethod
    def _of_fd(cls, handle: Handle, *, owned: bool, type: LinkType | None = None) -> Link:
        """The link of an fd, in the class of its type, which must be this class or below it.

        Args:
            handle: of the fd, and nobody else's yet.
            owned: whether it was made here.
            type: its type, where that is known. The kernel is not asked then; and of what was made
                here as a link of any type, not before somebody wants to know.
        """
        if type is not None or (owned and cls._any_type):
            return cls._make(handle, handle._value, type, None, owned)
        try:
            # Nobody else has this handle yet, who could close it.
            fd = handle._value
            type, id = _type_and_id(fd)
            self = cls._make(handle, fd, type, id, owned)
            if not isinstance(self, cls):
                raise TypeError(
                    f"link {id} is of class {self.__class__.__name__} ({type.name}), not {cls.__name__}"
                )
        except BaseException:
            handle.close()
            raise
        return self

    # --- what it is -----------------------------------------------------------------

    @property
    def type(self) -> LinkType | None:
        """The kernel's type of the link; None where there is an attachment, but no link (`is_bpf_link`)."""
        return self._link_type

    @property
    def id(self) -> int:
        """The kernel's id of the link (5.8).

        Raises:
            NotSupportedError: this attachment is no link.
        """
        if not self.is_bpf_link:
            raise self._no_link("tell the id of")
        if self._link_id is None:
            with self._handle:
                self._link_id = _type_and_id(self._fd)[1]
            self._handle.what = f"{type(self).__name__} {self._link_id}"
        return self._link_id

    @property
    def is_bpf_link(self) -> bool:
        """Whether the kernel has a link for it. If not, it can neither be pinned, updated nor found by id."""
        return self._link_type is not None

    def _no_link(self, operation: str) -> NotSupportedError:
        return NotSupportedError(
            errno.EOPNOTSUPP,
            f"{operation} an attachment that is no link",
            hint="This kernel attaches it by ioctl; it has links for perf events since 5.15.",
        )

    def _fd_handle(self) -> Handle:
        """The handle whose borrow keeps the fd alive, as `Pinnable` wants it: it lends the fd."""
        return _FdOfLink(self._handle, self._fd) if self._handle._free is not os.close else self._handle

    def fileno(self) -> int:
        """The link's fd, which stays this object's."""
        with self._handle:
            return self._fd

    @property
    def fd(self) -> int:
        """The same as `fileno()`."""
        return self.fileno()

    def info(self) -> LinkInfo:
        """What the kernel says of the link now, in the dataclass of its type (5.8).

        Raises:
            NotSupportedError: this attachment is no link.

        libbpf: bpf_obj_get_info_by_fd.
        """
        from .info import link_info

        if not self.is_bpf_link:
            raise self._no_link("get the info of")
        with self._handle:
            return link_info(self._fd)

    # --- what it does ---------------------------------------------------------------

    def update(self, program: Program, *, old: Program | None = None, flags: int = 0) -> None:
        """Puts another program into the link, without a moment in which none is attached.

        Args:
            program: a loaded program of the same type and attach type.
            old: if given, fail unless this is the program attached now (cgroup, XDP).
            flags: BPF_F_* for BPF_LINK_UPDATE.

        Raises:
            NotSupportedError: links of this type keep their program.
            PermissionDeniedError: `old` is not the attached program.

        libbpf: bpf_link_update (BPF_LINK_UPDATE, 5.7).
        """
        if not hasattr(program, "_fd_handle"):
            raise TypeError(f"update() takes a program, not {type(program).__name__}")
        if not self.is_bpf_link:
            raise self._no_link("update")
        options = ffi.new("struct bpf_link_update_opts *")
        options.sz = ffi.sizeof("struct bpf_link_update_opts")
        options.flags = flags
        with self._handle, program._fd_handle() as new_fd:
            if old is None:
                result = lib.bpf_link_update(self._fd, new_fd, options)
            else:
                with old._fd_handle() as old_fd:
                    options.old_prog_fd = old_fd
                    options.flags = flags | BPF_F_REPLACE
                    result = lib.bpf_link_update(self._fd, new_fd, options)
        if result in (-errno.EINVAL, -errno.EOPNOTSUPP) and not self._can_update():
            raise NotSupportedError(
                errno.EOPNOTSUPP,
                "update",
                repr(self),
                hint="Links of this type keep their program: attach the new one, then close this link.",
            )
        hint = "`old` is not the attached program." if result == -errno.EPERM and old is not None else ""
        check(result, "update", repr(self), hint=hint or _UPDATE_HINTS.get(result, ""))

    def pin(self, path: StrPath) -> None:
        if not self.is_bpf_link:
            raise self._no_link("pin")
        super().pin(path)

    pin.__doc__ = Pinnable.pin.__doc__

    def detach(self) -> None:
        """Ends the attachment, also if the link is pinned or held by others.

        The kernel can do that for cgroup, netns, XDP, tcx, netkit, sockmap and struct_ops
        links (BPF_LINK_DETACH, 5.9). For the others this closes the link.

        Raises:
            NotSupportedError: the kernel cannot, and the link is pinned: `unpin()` it first.

        libbpf: bpf_link_detach.
        """
        with self._handle:
            # Before 5.9 the command is unknown: EINVAL.
            result = lib.bpf_link_detach(self._fd) if self.is_bpf_link else -errno.EOPNOTSUPP
        if result in (-errno.EOPNOTSUPP, -errno.EINVAL):
            if self._pinned_path is not None:
                raise NotSupportedError(
                    errno.EOPNOTSUPP,
                    "detach",
                    repr(self),
                    hint="The kernel cannot detach links of this type, and it is pinned at "
                    f"'{self._pinned_path}': unpin() and close() it.",
                )
            self.close()
        else:
            check(result, "detach", repr(self))

    def _can_update(self) -> bool:
        return self._updatable

    # --- end --------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._handle.closed

    def close(self) -> None:
        """Gives up the link, and with it the attachment unless it is pinned or held elsewhere. Idempotent."""
        self._handle.close()

    def __enter__(self) -> Self:
        with self._handle:
            return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        handle: Handle | None = getattr(self, "_handle", None)
        # The handle frees itself; this only says what the program forgot.
        if handle is None or handle._closed or handle.forked or self._tracked:
            return
        if self._owned and self._pinned_path is None:
            warnings.warn(
                f"{self._words()} was dropped, and so detached; keep it, pin it, or close() it",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )
        else:
            warnings.warn(f"{self._words()} was not closed", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        if self.is_bpf_link and not self._handle.closed:
            try:
                self.id  # noqa: B018 - asked for, so that it is known
            except Error:
                pass
        return self._words()

    def _words(self) -> str:
        """What it is, as far as that is known: a finalizer asks nobody."""
        id = f" {self._link_id}" if self._link_id is not None else ""
        pinned = f", pinned at '{self._pinned_path}'" if self._pinned_path else ""
        return f"<{type(self).__name__}{id}{pinned}{', closed' if self._handle.closed else ''}>"


class _FdOfLink(Handle):
    """Lends the fd of a link whose handle owns libbpf's struct: the borrow is of that handle."""

    __slots__ = ("_fd", "_owner")

    def __init__(self, owner: Handle, fd: int) -> None:
        super().__init__(None, os.close)
        self._owner = owner
        self._fd = fd

    def __enter__(self) -> int:
        self._owner.hold()
        return self._fd

    def release(self) -> None:
        self._owner.release()


# Every attach asks for type and id: the name of the C type is parsed once, and an enum is slower than
# a dict. The kernel writes back how much of the struct it knows, which is always the same.
_INFO = ffi.typeof("struct bpf_link_info *")
_INFO_SIZE = ffi.new("uint32_t *", ffi.sizeof("struct bpf_link_info"))
_link_type = functools.cache(LinkType)


@functools.cache
def _class_of(type: LinkType) -> type[Link]:
    from .kinds import link_class

    return link_class(type)


def _type_and_id(fd: int) -> tuple[LinkType, int]:
    info = ffi.new(_INFO)
    result = lib.bpf_obj_get_info_by_fd(fd, info, _INFO_SIZE)
    if result < 0:
        check(result, "get the info of a link")
    return _link_type(info.type), info.id


def link_fds(pointer: CData) -> list[int]:
    """The fd of libbpf's struct bpf_link, for its handle."""
    fd = lib.bpf_link__fd(pointer)
    return [fd] if fd >= 0 else []


def load_pinned(path: StrPath) -> Link:
    """The link pinned at a path, in the class of its type. `unpin()` will remove that pin.

    Raises:
        NotFoundError: there is no such pin.
        TypeError: a program or a map is pinned there.

    libbpf: bpf_obj_get (BPF_OBJ_GET).
    """
    return _load_pinned(path, Link)


def _load_pinned(path: StrPath, kind: type[Link]) -> Link:
    link = kind._of_fd(open_pinned(path, "link", "link"), owned=False)
    link._pinned_path = os.fsdecode(path)
    return link


def from_id(id: int) -> Link:
    """The link of that id, in the class of its type. Needs CAP_SYS_ADMIN (BPF_LINK_GET_FD_BY_ID, 5.8).

    Raises:
        NotFoundError: there is none, or it is still being attached.
    """
    return Link._of_fd(open_by_id(lib.call_bpf_link_get_fd_by_id, id, "link"), owned=False)


def from_fd(fd: int) -> Link:
    """The link of an fd, which is duplicated: the caller keeps its own.

    Raises:
        TypeError: the fd is of something else.
    """
    require_kind(fd, "link", f"fd {fd}")
    duplicate = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    return Link._of_fd(Handle(duplicate, os.close), owned=False)


def links() -> Iterator[Link]:
    """Every link of the system, opened; each is closed when the next is asked for, unless the caller keeps
    it by `from_id(link.id)`. Needs CAP_SYS_ADMIN (BPF_LINK_GET_NEXT_ID, 5.8).

    A link that vanishes meanwhile, or is not attached yet, is left out.
    """
    id = ffi.new("uint32_t *")
    while True:
        result = lib.bpf_link_get_next_id(id[0], id)
        if result == -errno.ENOENT:
            return
        check(result, "list links")
        try:
            link = from_id(id[0])
        except NotFoundError:
            continue  # it has gone since, or is not attached yet
        with link:
            yield link
