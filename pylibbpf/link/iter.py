# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of iterators, and the files that run them."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import IO, TYPE_CHECKING, Any, cast

from .._native import ffi, lib, open_fd
from ..enums import AttachType, CgroupIterOrder, LinkType, ProgramType
from ..errors import BpfError, NotSupportedError, ProgramTypeError
from ..fds import lend_fd, open_target
from .create import Attachable, create_link, link_options, require_program
from .info import IterInfo
from .link import Link, _load_pinned

if TYPE_CHECKING:
    from .._libbpf import CData
    from .._native import StrPath
    from ..fds import HasFileno
    from .info import IterInfo


class IterLink(Link):
    """An iterator, attached to its target. Each file that `open` returns walks the target once."""

    _updatable = True

    if TYPE_CHECKING:

        def info(self) -> IterInfo: ...

    def open(self, mode: str = "rb", buffering: int = -1, encoding: str | None = None) -> IO[Any]:
        """A file whose reading runs the program.

        Args:
            mode: "rb", or "r" for text.
            buffering: bytes of its buffer, as for the built-in open; 0 for none.
            encoding: for text, by default UTF-8.

        The file lives on when the link is closed. Reading gives what the program writes
        by bpf_seq_write and bpf_seq_printf.

        libbpf: bpf_iter_create (BPF_ITER_CREATE, 5.8).
        """
        if mode not in ("rb", "r", "rt"):
            raise ValueError(f"an iterator can only be read: mode is 'rb' or 'r', not {mode!r}")
        with self._handle:
            handle = open_fd(
                lib.call_bpf_iter_create, self._fd, operation="create an iterator of", subject=repr(self)
            )
        return os.fdopen(handle.take(), mode, buffering, encoding or (None if "b" in mode else "utf-8"))

    def into_file(self, mode: str = "rb") -> IO[Any]:
        """As `open`, and gives up the link for it; on failure the link stays."""
        file = self.open(mode)
        self.close()
        return file


def attach_iter(
    program: Attachable,
    *,
    map: HasFileno | int | None = None,
    cgroup: StrPath | HasFileno | int | None = None,
    order: CgroupIterOrder = CgroupIterOrder.DESCENDANTS_PRE,
    tid: int = 0,
    pid: int = 0,
    pidfd: HasFileno | int | None = None,
) -> IterLink:
    """Attaches an iterator to the target it was loaded for. The caller owns the link.

    Args:
        program: a loaded `Iter`, of any origin.
        map: the map whose elements it walks, or its fd: for the targets bpf_map_elem (5.9),
            bpf_sk_storage_map and sockmap, which need one.
        cgroup: the cgroup where it begins, by path or fd: for the target cgroup (6.1).
        order: in which order it walks from there.
        tid: the one thread that it visits: for the targets task, task_file and task_vma (6.1).
        pid: the one process whose threads it visits (6.1).
        pidfd: the same process by a pidfd (6.1).

    At most one of map, cgroup, tid, pid and pidfd is given. What a kernel ignores without
    a word, as 5.10 does tid, is found in the link's info and refused.

    Raises:
        ProgramTypeError: the program is no iterator.
        TypeError: it walks the elements of a map, and none was given.
        ValueError: two targets, or a number below 0.
        NotSupportedError: this kernel, or this iterator, does not take what is asked.
        NotFoundError: no such cgroup, thread or process.

    libbpf: bpf_link_create (5.8).
    """
    require_program(program, ProgramType.TRACING)
    if program.expected_attach_type != AttachType.TRACE_ITER:
        raise ProgramTypeError(
            f"program '{program.name}' is no iterator, or was not opened as one: use Iter.from_pin"
        )
    if map is None and cgroup is None and pidfd is None and not tid and not pid:
        return _attach_to_all(program)
    given = {"map": map, "cgroup": cgroup, "tid": tid or None, "pid": pid or None, "pidfd": pidfd}
    asked = [name for name, value in given.items() if value is not None]
    if len(asked) > 1:
        raise ValueError(f"an iterator walks one target: {' and '.join(asked)} exclude each other")
    if tid < 0 or pid < 0:
        raise ValueError("a thread or process has a number above 0")
    name = asked[0]
    with contextlib.ExitStack() as stack:
        target = ffi.new("union bpf_iter_link_info *")
        expected = _set_target(stack, target, name, given[name], order)
        options = link_options()
        options.iter_info = target
        options.iter_info_len = ffi.sizeof(target[0])
        link = create_link(
            program, 0, AttachType.TRACE_ITER, options, where=f"{name} {given[name]!r}", since=_SINCE[name]
        )
    _require_echo(cast("IterLink", link), name, expected)
    return cast("IterLink", link)


def _attach_to_all(program: Attachable) -> IterLink:
    try:
        link = create_link(program, 0, AttachType.TRACE_ITER, link_type=LinkType.ITER)
    except BpfError as error:
        # bpf_iter_attach_map of all iterators that want one.
        if error.errno == errno.EBADF:
            raise TypeError(f"program '{program.name}' walks the elements of a map: give map=") from error
        raise
    return cast("IterLink", link)


_SINCE = {
    "map": "Iterators over the elements of a map came with Linux 5.9; other iterators take no map.",
    "cgroup": "Iterators over cgroups came with Linux 6.1; other iterators take no cgroup.",
    **dict.fromkeys(
        ("tid", "pid", "pidfd"),
        "Iterators over the tasks of one process came with Linux 6.1; others than task, task_file and "
        "task_vma take none.",
    ),
}


def _set_target(
    stack: contextlib.ExitStack, target: CData, name: str, value: Any, order: CgroupIterOrder
) -> dict[str, int]:
    """Fills in the target, and says what the link's info must then tell."""
    if name == "map":
        target.map.map_fd = fd = stack.enter_context(lend_fd(value))
        return {"map_id": _map_id(fd)}
    if name == "cgroup":
        fd = stack.enter_context(open_target(value, "open the cgroup"))
        target.cgroup.order, target.cgroup.cgroup_fd = order, fd
        return {"cgroup_order": order, "cgroup_id": os.fstat(fd).st_ino}
    if name == "pidfd":
        target.task.pid_fd = fd = stack.enter_context(lend_fd(value))
        return {"pid": _pid_of(fd)}
    setattr(target.task, name, value)
    return {name: value}


def _map_id(fd: int) -> int:
    info = ffi.new("struct bpf_map_info *")
    size = ffi.new("uint32_t *", ffi.sizeof(info[0]))
    result = lib.bpf_obj_get_info_by_fd(fd, info, size)
    if result < 0:
        raise TypeError(f"fd {fd} is no BPF map: {os.strerror(-result)}")
    return int(info.id)


def _pid_of(pidfd: int) -> int:
    """The process of a pidfd, as Documentation/filesystems/proc.rst has it."""
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        fields = dict(line.partition(":")[::2] for line in file)
    if "Pid" not in fields:
        raise TypeError(f"fd {pidfd} is no pidfd")
    return int(fields["Pid"])


def _require_echo(link: IterLink, name: str, expected: dict[str, int]) -> None:
    """Closes the link and raises if its info does not tell what was asked: then it walks everything."""
    try:
        info = link.info()
        if all(getattr(info, fact) == value for fact, value in expected.items()):
            return
        raise NotSupportedError(
            errno.EOPNOTSUPP,
            "attach an iterator to",
            f"{name} alone: the kernel ignored it, and '{info.target_name}' would walk everything",
            hint=_SINCE[name],
        )
    except BaseException:
        link.close()
        raise


def load_pinned_iter(path: StrPath) -> IterLink:
    """The iterator link pinned at a path. `unpin()` will remove that pin.

    Raises:
        NotFoundError: there is no such pin.
        TypeError: a program, a map or a link of another type is pinned there.

    libbpf: bpf_obj_get (BPF_OBJ_GET).
    """
    return cast("IterLink", _load_pinned(path, IterLink))
