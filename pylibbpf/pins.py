# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Pins: names in a BPF file system that keep programs, maps and links alive.

`Pinnable` is what the three have in common: a path that is recorded only once
the pin succeeded, and that `unpin()` removes again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from ._native import Handle, check, lib, open_fd, path_bytes
from .errors import StateError, from_errno

if TYPE_CHECKING:
    from ._native import StrPath


def fd_kind(fd: int) -> str:
    """What an fd is of: "prog", "map", "link", "btf", "token", or "" for anything else.

    The kernel names its anonymous inodes bpf-prog, bpf-map, bpf_link and so on
    (kernel/bpf/syscall.c:bpf_prog_new_fd and its siblings).
    """
    try:
        target = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""
    name = target.partition("anon_inode:")[2].strip("[]").replace("_", "-")
    return name.removeprefix("bpf-") if name.startswith("bpf-") or name == "btf" else ""


def require_kind(fd: int, kind: str, subject: str) -> None:
    """Raises TypeError if an fd is of another kind of BPF object."""
    found = fd_kind(fd)
    if found != kind:
        raise TypeError(f"{subject} is {f'a BPF {found}' if found else 'no BPF object'}, not a BPF {kind}")


def open_pinned(path: StrPath, kind: str, what: str) -> Handle:
    """The fd of a pin, in a handle. TypeError if it pins another kind of object (BPF_OBJ_GET)."""
    name = path_bytes(path)
    subject = f"'{os.fsdecode(name)}'"
    with _followed(name, subject) as place:
        handle = open_fd(lib.call_bpf_obj_get, place, operation="open the pin", subject=subject)
    handle.what = f"{what} of pin {subject}"
    try:
        with handle as fd:
            require_kind(fd, kind, f"the pin {subject}")
    except BaseException:
        handle.close()
        raise
    return handle


@contextlib.contextmanager
def _followed(name: bytes, subject: str) -> Iterator[bytes]:
    """The path by which to open a pin, which is not somebody else's symbolic link in a directory for all.

    A bpffs has the mode of /tmp by default. This is what the kernel does itself where the sysctl
    fs.protected_symlinks is 1 (fs/namei.c:may_follow_link); its own default is 0.
    """
    try:
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield name  # bpf_obj_get will say what is wrong
        return
    try:
        found = os.fstat(fd)
        if not stat.S_ISLNK(found.st_mode):
            # What was looked at, also if the name has become a link meanwhile.
            yield b"/proc/self/fd/%d" % fd
            return
        directory = os.stat(os.path.dirname(name) or b".")
        for_all = stat.S_ISVTX | stat.S_IWOTH
        if directory.st_mode & for_all == for_all and found.st_uid not in (os.geteuid(), directory.st_uid):
            raise from_errno(
                errno.EACCES, "open the pin", subject,
                hint="It is a symbolic link of another user, in a directory that everybody may write.",
            )  # fmt: skip
        yield name
    finally:
        os.close(fd)


class Pinnable:
    """What can be pinned: `pin`, `unpin`, `pinned_path`. The class lends its fd by `_fd_handle`."""

    _pin_word: ClassVar[str]
    _pinned_path: str | None = None

    def _fd_handle(self) -> Handle:
        raise NotImplementedError

    @property
    def pinned_path(self) -> str | None:
        """Where this is pinned, as far as this object knows; None if it is not."""
        return self._pinned_path

    def pin(self, path: StrPath) -> None:
        """Pins it to a path on a bpffs, where it outlives this process.

        Args:
            path: a name that does not exist yet, in a directory that does.

        Raises:
            ExistsError: the path exists. Nothing is ever overwritten.
            NotFoundError: the directory does not exist.
            BpfError: the path is not on a bpffs.
            StateError: it is pinned elsewhere by this object.

        libbpf: bpf_obj_pin (BPF_OBJ_PIN).
        """
        name = path_bytes(path)
        shown = os.fsdecode(name)
        if self._pinned_path is not None:
            raise StateError(f"it is pinned at '{self._pinned_path}' already; unpin it first")
        with self._fd_handle() as fd:
            result = lib.bpf_obj_pin(fd, name)
            if result < 0:
                check(
                    result,
                    f"pin the {self._pin_word} to",
                    f"'{shown}'",
                    hint=_pin_hint(shown, -result),
                )
        self._pinned_path = shown

    def unpin(self) -> None:
        """Removes the pin that this object made or was opened from; nothing if there is none."""
        path = self._pinned_path
        if path is None:
            return
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            check(-(error.errno or errno.EIO), f"unpin the {self._pin_word} at", f"'{path}'")
        self._pinned_path = None


def _pin_hint(path: str, number: int) -> str:
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory):
        return f"There is no directory '{directory}'."
    if number in (errno.EINVAL, errno.EPERM, errno.EACCES):
        found = _file_system(directory)
        if found != "bpf":
            where = f"is on {found}," if found else "is probably"
            return (
                f"'{directory}' {where} not on a BPF file system. "
                "One is usually at /sys/fs/bpf; `mount -t bpf bpf DIRECTORY` makes one."
            )
    return ""


def _file_system(directory: str) -> str:
    """The type of the file system that a directory is on, from /proc/self/mountinfo; "" if unknown."""
    try:
        device = os.stat(directory).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        with open("/proc/self/mountinfo") as mounts:
            for line in mounts:
                fields = line.split()
                if fields[2] == wanted:
                    return fields[fields.index("-") + 1]
    except OSError:
        pass
    return ""
