# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of struct_ops maps, and their registrations without a link."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from typing import TYPE_CHECKING, Any, cast

from .._native import NULL, Handle, call, create, ffi, lib, open_fd
from ..enums import AttachType, LinkType, MapFlags, MapType
from ..errors import BpfError, ClosedError, MapTypeError, NotSupportedError, from_errno
from .attachment import LinkOrAttachment
from .link import BPF_F_REPLACE, link_fds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._libbpf import CData
    from ..maps import StructOpsMap
    from .info import MapLinkInfo

_HINTS = {
    errno.EEXIST: "The kernel has one of that name already: name it differently, or update() its link.",
    errno.EBUSY: "A map without MapFlags.LINK is registered once in its life: load its object anew.",
    errno.EINVAL: "A map from a pin, id or fd can be attached once the process that loaded it has done so: "
    "only that one knows what to write into it.",
}
_UPDATE_HINTS = {
    errno.EPERM: "`old` is not the attached map.",
    errno.EINVAL: "The map implements another interface or has another name, or it was loaded by another "
    "process and never attached.",
    errno.ENOLINK: "The link was detached.",
    errno.EOPNOTSUPP: "This interface cannot be updated: attach the new map, then close this link.",
}


# One update at a time: see StructOpsLink._has.
_updates = threading.RLock()


def _after_fork_in_child() -> None:
    global _updates  # noqa: PLW0603 - what a process has one of
    # A thread that is not there any more may hold the other.
    _updates = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)


class StructOpsLink(LinkOrAttachment):
    """A struct_ops map, registered with the kernel.

    With `legacy=True` a registration without a link: `is_bpf_link` is False.
    """

    _kernel_type = LinkType.STRUCT_OPS

    if TYPE_CHECKING:

        def info(self) -> MapLinkInfo: ...

    def update(self, map: StructOpsMap, *, old: StructOpsMap | None = None) -> None:  # type: ignore[override]
        """Puts another map into the link, without a moment in which none is registered.

        What uses the old one goes on with it: TCP connections for instance, until they end.

        Args:
            map: a map of the same interface with `MapFlags.LINK`, and for TCP of the same name. The one
                that is attached already is left as it is.
            old: if given, fail unless this is the map attached now.

        Raises:
            MapTypeError: it is no struct_ops map.
            PermissionDeniedError: `old` is not the attached map.
            ValueError: the map has no `MapFlags.LINK`.
            NotSupportedError: this interface cannot be updated; this attachment is no link.
            BpfError: the kernel refused the map.

        libbpf: bpf_link__update_map, bpf_link_update (BPF_LINK_UPDATE, 6.4).
        """
        require_map(map)
        if old is not None:
            require_map(old)
        if not self.is_bpf_link:
            raise self._no_link("update")
        if not map.flags & MapFlags.LINK:
            # Writing its value would register it beside the link.
            raise ValueError(f"map '{map.name}' has no MapFlags.LINK, which a link needs")
        with self._handle as value, map._fd_handle() as fd, _updates:
            try:
                if self._has(map, old):
                    return
                if old is None and map._object is not None and self._handle._free is not os.close:
                    with map._object._turn():
                        call(
                            lib.call_bpf_link__update_map, value, map._pointer,
                            operation="update", subject=repr(self),
                        )  # fmt: skip
                else:
                    self._exchange(map, fd, old)
            except BpfError as error:
                error.hint = _UPDATE_HINTS.get(error.errno or 0, error.hint)
                raise

    def _has(self, map: StructOpsMap, old: StructOpsMap | None) -> bool:
        """Whether the map is the attached one, which the kernel must not be given again: it would corrupt
        its list of TCP congestion controls (tcp_cong.c:tcp_update_congestion_control, 6.12: kernel BUG)."""
        attached = self.info().map_id
        if old is not None and old.id != attached:
            raise from_errno(errno.EPERM, "update", repr(self))
        return map.id == attached

    def _exchange(self, map: StructOpsMap, fd: int, old: StructOpsMap | None) -> None:
        """BPF_LINK_UPDATE, for what bpf_link__update_map cannot do: `old`, and links and maps of others."""
        options = ffi.new("struct bpf_link_update_opts *")
        options.sz = ffi.sizeof("struct bpf_link_update_opts")
        with contextlib.ExitStack() as stack:
            if old is not None:
                options.old_map_fd = stack.enter_context(old._fd_handle())
                options.flags = BPF_F_REPLACE
            if map._object is not None:
                _write(map, fd)
            result = lib.bpf_link_update(self._fd, fd, options)
        if result < 0:
            raise from_errno(-result, "update", repr(self))


def attach_struct_ops(map: StructOpsMap, *, legacy: bool = False) -> StructOpsLink:
    """Registers a struct_ops map with the kernel, which calls its programs from then on.

    Args:
        map: a map of a loaded object; or one from a pin, an id or an fd that the process that
            loaded it has attached before.
        legacy: attach a map without `MapFlags.LINK` without a link, for kernels before 6.4. It stays
            registered after the process if nobody closes it, and can be attached only once. A map
            that has the flag gets a link all the same.

    Returns:
        A `StructOpsLink`. The caller owns it.

    Raises:
        MapTypeError: it is no struct_ops map.
        StateError: its object is not loaded.
        ExistsError: one of that name is registered already.
        NotSupportedError: this kernel has no such links; the map has no `MapFlags.LINK`, and
            `legacy` is False.
        BpfError: the kernel refused.

    libbpf: bpf_map__attach_struct_ops; bpf_link_create for a map of no object (6.4).
    """
    require_map(map)
    with map._fd_handle() as fd:
        try:
            if not map._known_layout().flags & MapFlags.LINK:
                return _register(map, legacy)
            return _link(map, fd)
        except BpfError as error:
            error.hint = error.hint or _HINTS.get(error.errno or 0, "")
            raise


def require_map(map: Any) -> None:
    """Raises TypeError for what is no map, ClosedError for a closed one, MapTypeError for another kind."""
    if not hasattr(type(map), "_fd_handle") or not hasattr(type(map), "_known_layout"):
        raise TypeError(f"a struct_ops map is wanted, not {type(map).__name__}")
    if map.closed:
        raise ClosedError(f"map '{map.name}' is closed")
    if map.type != MapType.STRUCT_OPS:
        raise MapTypeError(f"map '{map.name}' is of type {map.type.name}, not STRUCT_OPS")


def _link(map: StructOpsMap, fd: int) -> StructOpsLink:
    if map._object is None:
        handle = open_fd(
            lib.call_bpf_link_create, fd, 0, AttachType.STRUCT_OPS, NULL,
            operation="attach map", subject=f"'{map.name}'",
        )  # fmt: skip
        link = StructOpsLink._of_fd(handle, owned=True, type=LinkType.STRUCT_OPS)
    else:
        with map._object._turn():
            handle = _attach(map, link_fds)
            with handle as pointer:
                made = lib.bpf_link__fd(pointer)
        link = StructOpsLink._make(handle, made, LinkType.STRUCT_OPS, None, owned=True)
    return cast("StructOpsLink", link)


def _attach(map: StructOpsMap, fds: Any) -> Handle:
    """The handle of libbpf's link. Under the turn of the map's object."""
    return create(
        lib.call_bpf_map__attach_struct_ops, map._pointer, free=lib.bpf_link__destroy, fds=fds,
        operation="attach map", subject=f"'{map.name}'",
    )  # fmt: skip


# --- without a link -------------------------------------------------------------------------


class _Registration:
    """What the handle of a registration without a link holds: libbpf's link, which has the map's fd.

    That fd is the object's: it outlives this, and is nothing for a forked child to close.
    """

    def __init__(self, obj: Handle) -> None:
        self.pointer: CData = NULL
        self.error: BpfError | None = None
        self._object = obj
        obj.hold()

    def end(self) -> None:
        """Unregisters it. The handle calls it once, after the last borrow."""
        try:
            if self.pointer:
                result = lib.bpf_link__destroy(self.pointer)
                # Somebody else has unregistered it.
                if result < 0 and result not in (-errno.ENOENT, -errno.EINPROGRESS):
                    self.error = from_errno(-result, "unregister", "a struct_ops map")
        finally:
            self._object.release()

    def fds(self) -> list[int]:
        return []


def _register(map: StructOpsMap, legacy: bool) -> StructOpsLink:
    subject = f"'{map.name}'"
    if not legacy:
        from ..maps.struct_ops import why_no_links

        hint = (
            why_no_links()
            or 'It was made without MapFlags.LINK, which the section ".struct_ops.link" gives it.'
        )
        raise NotSupportedError(
            errno.EOPNOTSUPP, "attach map", f"{subject} by a link",
            hint=f"{hint} legacy=True attaches without a link: it stays registered after the process if "
            "nobody closes it.",
        )  # fmt: skip
    obj = map._object
    if obj is None:
        raise NotSupportedError(
            errno.EOPNOTSUPP, "attach map", f"{subject} without a link",
            hint="Without a link a map is attached by the process that loaded it.",
        )  # fmt: skip
    registration = _Registration(obj._handle)
    handle = Handle(registration, _Registration.end, fds=_Registration.fds)
    try:
        with obj._turn():
            registration.pointer = _attach(map, _Registration.fds).take()
    except BaseException:
        handle.close()
        raise
    return StructOpsLink._of_attachment(handle)


# --- the value of a map -----------------------------------------------------------------------


def _write(map: StructOpsMap, fd: int) -> None:
    """Writes the value of an object's map, as bpf_link__update_map does for links that libbpf made.

    libbpf has it ready and hands it out to nobody, but writes it into the map's fd before it
    attaches it. So that fd is lent to an array for the length of an attach that fails.
    """
    obj = map._object
    assert obj is not None
    size = map._known_layout().value_size
    handle = open_fd(
        lib.call_bpf_map_create, MapType.ARRAY, NULL, 4, size, 1, NULL,
        operation="write the value of map", subject=f"'{map.name}'",
    )  # fmt: skip
    with contextlib.closing(handle), handle as array, obj._turn():
        with _in_place_of(lib.bpf_map__fd(map._pointer), array), contextlib.suppress(BpfError):
            _attach(map, link_fds).close()
        key, value = ffi.new("uint32_t *"), ffi.new("char[]", size)
        result = lib.bpf_map_lookup_elem(array, key, value)
        if result >= 0:
            result = lib.bpf_map_update_elem(fd, key, value, 0)
        # EBUSY: it was written before.
        if result < 0 and result != -errno.EBUSY:
            raise from_errno(-result, "write the value of map", f"'{map.name}'")


@contextlib.contextmanager
def _in_place_of(number: int, fd: int) -> Iterator[None]:
    """Lends an fd number to another file."""
    original = os.dup(number)
    try:
        os.dup2(fd, number, inheritable=False)
        yield
    finally:
        os.dup2(original, number, inheritable=False)
        os.close(original)
