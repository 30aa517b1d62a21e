# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the kernel has loaded: programs, maps, links and BTF of everybody, and who holds them::

    from pylibbpf import kernel

    for program in kernel.programs():
        print(program.id, program.name, program.stats.run_count)

Each function walks the kernel's ids as they are then. What vanishes meanwhile is
left out. Nothing is held open between two steps.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ._native import Handle, check, ffi, lib, text
from .enums import _KernelEnum
from .errors import NotFoundError, from_errno
from .fdinfo import fdinfo
from .fds import open_as_admin, open_by_id
from .permissions import needs_sys_admin
from .programs.info import ProgramInfo, program_info

if TYPE_CHECKING:
    from types import TracebackType

    from ._libbpf import CData
    from .link.info import LinkInfo
    from .maps.info import MapInfo

T = TypeVar("T")


# --- what is loaded ---------------------------------------------------------------------


def programs() -> Iterator[ProgramDetails]:
    """Every program, by id, with all that the kernel tells of it. Needs CAP_SYS_ADMIN (4.13).

    libbpf: bpf_prog_get_next_id, bpf_prog_get_fd_by_id, bpf_obj_get_info_by_fd.
    """
    return _each(lib.bpf_prog_get_next_id, lib.call_bpf_prog_get_fd_by_id, "program", program_details)


def maps() -> Iterator[MapInfo]:
    """Every map, by id. Needs CAP_SYS_ADMIN (4.13).

    libbpf: bpf_map_get_next_id, bpf_map_get_fd_by_id, bpf_obj_get_info_by_fd.
    """
    from .maps.info import map_info

    return _each(lib.bpf_map_get_next_id, lib.call_bpf_map_get_fd_by_id, "map", map_info)


def links() -> Iterator[LinkInfo]:
    """Every link, by id, each in the class of its type. Needs CAP_SYS_ADMIN (5.8).

    A link that vanishes meanwhile, or is not attached yet, is left out.

    Programs also attach without a link: see `perf_attachments`, and `link.query` for cgroups, devices
    and the like.

    libbpf: bpf_link_get_next_id, bpf_link_get_fd_by_id, bpf_obj_get_info_by_fd.
    """
    from .link.info import link_info

    return _each(lib.bpf_link_get_next_id, lib.call_bpf_link_get_fd_by_id, "link", link_info)


def btfs() -> Iterator[BtfInfo]:
    """All BTF, by id: the kernel's, its modules', and that of programs and maps. Needs CAP_SYS_ADMIN (5.11).

    libbpf: bpf_btf_get_next_id, bpf_btf_get_fd_by_id, bpf_obj_get_info_by_fd.
    """
    return _each(lib.bpf_btf_get_next_id, lib.call_bpf_btf_get_fd_by_id, "BTF", _btf_info)


def _each(next_id: Any, get_fd: Any, what: str, read: Callable[[int], T]) -> Iterator[T]:
    found = ffi.new("uint32_t *")
    id = 0
    while True:
        result = next_id(id, found)
        if result == -errno.ENOENT:
            return
        if result < 0:
            check(result, "list every", what, hint=_hint(-result, f"Listing every {what}"))
        id = found[0]
        try:
            handle = open_by_id(get_fd, id, what)
        except NotFoundError:
            continue  # it has gone since, or is not attached yet
        try:
            with handle as fd:
                info = read(fd)
        finally:
            handle.close()
        yield info


def _hint(number: int, what: str) -> str:
    """What a refusal is about; "" where it is not about rights."""
    return needs_sys_admin(what) if number == errno.EPERM else ""


# --- programs -----------------------------------------------------------------------------


class FunctionInfo(NamedTuple):
    """A function begins at the instruction of that index; `type_id` is its Func in the program's BTF."""

    instruction: int
    type_id: int


class LineInfo(NamedTuple):
    """A source line begins at the instruction of that index. Offsets are those of the program's BTF;
    `ProgramDetails.source_lines` looks the strings up."""

    instruction: int
    file_name_offset: int
    text_offset: int
    line: int
    column: int


class SourceLine(NamedTuple):
    """A source line, and the index of the instruction that it begins at."""

    instruction: int
    file: str
    line: int
    column: int
    text: str


@dataclass(frozen=True)
class ProgramDetails(ProgramInfo):
    """A program with all that the kernel tells of it. What it does not tell, it has none of.

    The kernel shows instructions and addresses to those with CAP_PERFMON or CAP_SYS_ADMIN, and
    addresses only where kernel.kptr_restrict allows.

    Attributes:
        netns_dev, netns_ino: the network namespace of the device it is offloaded to, or 0.
        translated: its instructions after the verifier, as they run or are compiled; 8 bytes each.
        jited: its machine code.
        jited_addresses: where each of its functions lies in the kernel (4.18).
        jited_lengths: bytes of the machine code of each function (4.18).
        functions: where its functions begin, and their types (5.0).
        lines: where its source lines begin (5.0).
        jited_lines: where the machine code of each source line begins in the kernel (5.0).
        tags: a hash of the instructions of each function (5.0).
        memlock: bytes of kernel memory that it takes, or None without /proc.
    """

    netns_dev: int = 0
    netns_ino: int = 0
    translated: bytes = field(default=b"", repr=False)
    jited: bytes = field(default=b"", repr=False)
    jited_addresses: tuple[int, ...] = field(default=(), repr=False)
    jited_lengths: tuple[int, ...] = field(default=(), repr=False)
    functions: tuple[FunctionInfo, ...] = field(default=(), repr=False)
    lines: tuple[LineInfo, ...] = field(default=(), repr=False)
    jited_lines: tuple[int, ...] = field(default=(), repr=False)
    tags: tuple[bytes, ...] = field(default=(), repr=False)
    memlock: int | None = None

    def source_lines(self) -> list[SourceLine]:
        """Its source lines with their text, from its BTF; none if it was loaded without.

        Raises:
            NotFoundError: the program and its BTF have gone since.
            PermissionDeniedError: without CAP_SYS_ADMIN.

        libbpf: btf__load_from_kernel_by_id.
        """
        if not self.lines:
            return []
        from .btf import Btf

        with Btf.from_id(self.btf_id) as btf, btf._handle as pointer:

            def string(offset: int) -> str:
                return text(lib.btf__str_by_offset(pointer, offset))

            return [
                SourceLine(
                    line.instruction,
                    string(line.file_name_offset),
                    line.line,
                    line.column,
                    string(line.text_offset),
                )
                for line in self.lines
            ]


class _Array(NamedTuple):
    """An array of struct bpf_prog_info: the fields of its address, of its length, and of the size of an
    element; or that size, where there is no such field."""

    address: str
    length: str
    element: str | int


_ARRAYS = {
    "translated": _Array("xlated_prog_insns", "xlated_prog_len", 1),
    "jited": _Array("jited_prog_insns", "jited_prog_len", 1),
    "jited_addresses": _Array("jited_ksyms", "nr_jited_ksyms", 8),
    "jited_lengths": _Array("jited_func_lens", "nr_jited_func_lens", 4),
    "functions": _Array("func_info", "nr_func_info", "func_info_rec_size"),
    "lines": _Array("line_info", "nr_line_info", "line_info_rec_size"),
    "jited_lines": _Array("jited_line_info", "nr_jited_line_info", "jited_line_info_rec_size"),
    "tags": _Array("prog_tags", "nr_prog_tags", 8),
}


def program_details(fd: int) -> ProgramDetails:
    """All that the kernel tells of a program's fd. libbpf: bpf_obj_get_info_by_fd."""
    first = _prog_info(fd)
    memory: dict[str, CData] = {}
    asked = ffi.new("struct bpf_prog_info *")
    for name, array in _ARRAYS.items():
        count = getattr(first, array.length)
        size = array.element if isinstance(array.element, int) else getattr(first, array.element)
        memory[name] = ffi.new("char[]", count * size)
        if count:
            setattr(asked, array.address, int(ffi.cast("uintptr_t", memory[name])))
            setattr(asked, array.length, count)
            if isinstance(array.element, str):
                setattr(asked, array.element, size)
    info = _prog_info(fd, asked)

    def records(name: str, format: str) -> list[tuple[Any, ...]]:
        """An array's elements, whose format may have grown at the end."""
        from struct import Struct

        array, record = _ARRAYS[name], Struct(f"={format}")
        # Where the kernel hides it from this process it takes the address away, or the number.
        count = getattr(info, array.length) if getattr(info, array.address) else 0
        size = array.element if isinstance(array.element, int) else getattr(info, array.element)
        data = ffi.buffer(memory[name])
        places = range(0, min(count * size, len(data)), size or 1)
        return [record.unpack_from(data, place) for place in places]

    def content(name: str) -> bytes:
        array = _ARRAYS[name]
        shown = getattr(info, array.length) if getattr(info, array.address) else 0
        return ffi.buffer(memory[name])[:shown]

    return ProgramDetails(
        **vars(program_info(fd)),
        netns_dev=info.netns_dev,
        netns_ino=info.netns_ino,
        translated=content("translated"),
        jited=content("jited"),
        jited_addresses=tuple(address for (address,) in records("jited_addresses", "Q")),
        jited_lengths=tuple(length for (length,) in records("jited_lengths", "I")),
        functions=tuple(FunctionInfo(*record) for record in records("functions", "II")),
        lines=tuple(
            LineInfo(instruction, file, line, at >> 10, at & 0x3FF)
            for instruction, file, line, at in records("lines", "IIII")
        ),
        jited_lines=tuple(address for (address,) in records("jited_lines", "Q")),
        tags=tuple(tag for (tag,) in records("tags", "8s")),
        memlock=_memlock(fd),
    )


def _prog_info(fd: int, info: CData | None = None) -> CData:
    if info is None:
        info = ffi.new("struct bpf_prog_info *")
    size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_prog_info"))
    check(lib.bpf_obj_get_info_by_fd(fd, info, size), "get the info of a program")
    return info


def _memlock(fd: int) -> int | None:
    found = fdinfo(fd).get("memlock")
    return None if found is None else int(found)


# --- BTF ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class BtfInfo:
    """BTF that the kernel has. `Btf.from_id(id)` has its types.

    Attributes:
        id: its id.
        name: "vmlinux", a module's name, or "" (5.11).
        size: its bytes.
        kernel: whether it is that of the kernel or of a module (5.11).
    """

    id: int
    name: str
    size: int
    kernel: bool


# MODULE_NAME_LEN stays below.
_NAME_SIZE = 128


def _btf_info(fd: int) -> BtfInfo:
    info = ffi.new("struct bpf_btf_info *")
    name = ffi.new("char[]", _NAME_SIZE)
    info.name, info.name_len = int(ffi.cast("uintptr_t", name)), _NAME_SIZE
    size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_btf_info"))
    result = lib.bpf_obj_get_info_by_fd(fd, info, size)
    if result == -errno.E2BIG:
        # Before 5.11, where the struct ends with the id.
        ffi.memmove(info, bytes(ffi.sizeof("struct bpf_btf_info")), ffi.sizeof("struct bpf_btf_info"))
        size[0] = ffi.sizeof("struct bpf_btf_info")
        result = lib.bpf_obj_get_info_by_fd(fd, info, size)
    check(result, "get the info of", "BTF")
    return BtfInfo(info.id, text(name), info.btf_size, bool(info.kernel_btf))


# --- who holds what -----------------------------------------------------------------------


class Holder(NamedTuple):
    """A process that holds an object open: `pid`, the `name` of its program, and the `fd`."""

    pid: int
    name: str
    fd: int


class Holders(NamedTuple):
    """Who holds what, by id: `programs`, `maps`, `links` and `btfs`."""

    programs: dict[int, tuple[Holder, ...]]
    maps: dict[int, tuple[Holder, ...]]
    links: dict[int, tuple[Holder, ...]]
    btfs: dict[int, tuple[Holder, ...]]


# What /proc/PID/fdinfo calls the id of each (kernel/bpf/syscall.c, kernel/bpf/btf.c).
_ID_OF_KIND = {"prog": "prog_id", "map": "map_id", "link": "link_id", "btf": "btf_id"}


def holders() -> Holders:
    """Which processes hold programs, maps, links and BTF open.

    From /proc, as far as this process may read it: of processes of other users that takes
    CAP_SYS_PTRACE, and those of other PID namespaces are not there. Pins and references inside of the
    kernel hold objects too, and are of no process.
    """
    found: dict[str, dict[int, tuple[Holder, ...]]] = {kind: {} for kind in _ID_OF_KIND}
    for pid, fd, target in _open_files():
        kind = _object_kind(target)
        if kind not in _ID_OF_KIND:
            continue
        id = fdinfo(fd, pid).get(_ID_OF_KIND[kind])
        if id is not None:
            known = found[kind].get(int(id), ())
            found[kind][int(id)] = (*known, Holder(pid, _process_name(pid), fd))
    return Holders(found["prog"], found["map"], found["link"], found["btf"])


def _object_kind(target: str) -> str:
    """What an fd is of, by what its symbolic link says: "prog" of "anon_inode:bpf-prog"."""
    name = target.partition("anon_inode:")[2].strip("[]").replace("_", "-")
    return name if name == "btf" else name.removeprefix("bpf-") if name.startswith("bpf-") else ""


def _open_files(pid: int | None = None) -> Iterator[tuple[int, int, str]]:
    """Every fd of every process, or of one, and what it is of; of processes that can be read."""
    pids = [str(pid)] if pid is not None else [name for name in os.listdir("/proc") if name.isdigit()]
    for name in pids:
        directory = f"/proc/{name}/fd"
        try:
            fds = os.listdir(directory)
        except OSError:
            continue  # not ours to read, or gone
        for fd in fds:
            try:
                target = os.readlink(f"{directory}/{fd}")
            except OSError:
                continue
            yield int(name), int(fd), target


def _process_name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""


# --- perf events ----------------------------------------------------------------------------


class PerfAttachmentType(_KernelEnum):
    """What a perf event with a program is of, enum bpf_task_fd_type."""

    RAW_TRACEPOINT = 0
    TRACEPOINT = 1
    KPROBE = 2
    KRETPROBE = 3
    UPROBE = 4
    URETPROBE = 5


class PerfAttachment(NamedTuple):
    """A program on a perf event or raw tracepoint of a process.

    Attributes:
        pid: the process.
        fd: the event's fd there.
        program_id: the program.
        type: what it is attached to.
        name: the tracepoint, the function, or the file of a uprobe.
        offset: bytes into the function or the file.
        address: where a kprobe by address lies, or 0.
    """

    pid: int
    fd: int
    program_id: int
    type: PerfAttachmentType
    name: str
    offset: int
    address: int


def perf_attachments(pid: int | None = None) -> Iterator[PerfAttachment]:
    """Programs on perf events and raw tracepoints, with or without a link. Needs CAP_SYS_ADMIN (4.18).

    Before 5.15 programs attach to kprobes, uprobes and tracepoints without a link, so that `links` does
    not show them. Plain perf events, of hardware or of the clock, are left out: the kernel does not tell.

    Args:
        pid: of this process only.

    Raises:
        NotFoundError: there is no process `pid`.
        PermissionDeniedError: without CAP_SYS_ADMIN, or the right to look into the process `pid`.

    libbpf: bpf_task_fd_query.
    """
    if pid is not None:
        _require_process(pid)
    name = ffi.new("char[]", 4096)
    length, program_id, fd_type = (ffi.new("uint32_t *") for _ in range(3))
    offset, address = (ffi.new("__u64 *") for _ in range(2))

    def ask(process: int, fd: int) -> int:
        length[0] = len(name)
        result = lib.bpf_task_fd_query(process, fd, 0, name, length, program_id, fd_type, offset, address)
        if result in (-errno.EPERM, -errno.EACCES):
            check(result, "list", "perf attachments", hint=_hint(-result, "Listing perf attachments"))
        return result

    # Else who may not ask, and may read no fds either, would be told that there are none.
    ask(os.getpid(), 0)
    for process, fd, target in _open_files(pid):
        if _object_kind(target) not in ("raw-tracepoint", "link") and target != "anon_inode:[perf_event]":
            continue
        if ask(process, fd) < 0:
            continue  # it has no program, or has gone
        yield PerfAttachment(
            process,
            fd,
            program_id[0],
            PerfAttachmentType(fd_type[0]),
            text(name) if length[0] else "",
            offset[0],
            address[0],
        )


def _require_process(pid: int) -> None:
    """Raises what stands in the way of reading the fds of a process."""
    if not isinstance(pid, int):
        raise TypeError(f"a pid is an int, not {type(pid).__name__}")
    try:
        os.listdir(f"/proc/{pid}/fd")
    except OSError as error:
        number = error.errno or 0
        hint = "Reading those of others' processes takes CAP_SYS_PTRACE." if number == errno.EACCES else ""
        raise from_errno(number, "read the fds of process", str(pid), hint=hint) from error


# --- run statistics ---------------------------------------------------------------------------


class RunStatistics:
    """Run statistics of all programs are on while this is open. `run_statistics` makes it."""

    def __init__(self, handle: Handle) -> None:
        """Use `run_statistics`."""
        self._handle = handle

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._handle.closed

    def close(self) -> None:
        """Turns them off, unless others want them too. Idempotent."""
        self._handle.close()

    def __enter__(self) -> RunStatistics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def run_statistics() -> RunStatistics:
    """Turns run statistics of all programs on, `ProgramInfo.stats`, until it is closed::

        with kernel.run_statistics():
            ...

    They cost each run of a program some 20 ns. Needs CAP_SYS_ADMIN (5.8).

    libbpf: bpf_enable_stats.
    """
    handle = open_as_admin(
        "Turning on run statistics", lib.call_bpf_enable_stats, lib.BPF_STATS_RUN_TIME,
        operation="turn on", subject="run statistics",
    )  # fmt: skip
    handle.what = "run statistics"
    return RunStatistics(handle)
