# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""ProcessSymbols: addresses of a process to the functions of its program and libraries."""

from __future__ import annotations

import errno
import os
import stat
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO
from weakref import WeakValueDictionary

from ..errors import FormatError, NotFoundError, from_errno
from .file import FileSymbols, require_pyelftools
from .stack import frames_of
from .symbol import Frame, Symbol

if TYPE_CHECKING:
    from typing_extensions import Buffer

_DELETED = " (deleted)"
_VDSO = "[vdso]"

# How many answers are kept.
_KEPT = 1 << 18

# The symbols of files that some ProcessSymbols has, by what fstat() says of them: processes share libraries.
_files: WeakValueDictionary[tuple[int, ...], FileSymbols] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Mapping:
    """A piece of a process's memory: a line of /proc/PID/maps (proc_pid_maps(5)).

    Attributes:
        start: its first address.
        end: the address behind its last.
        permissions: "r-xp".
        offset: where in the file it begins, in bytes.
        device: the file's device, as "major:minor" in hexadecimal.
        inode: the file's inode, or 0 if no file is mapped.
        path: the file's path in the process's mount namespace; "[heap]", "[vdso]" and the like; or "".
        deleted: whether that file was deleted, or replaced by another, after it was mapped.
    """

    start: int
    end: int
    permissions: str
    offset: int
    device: str
    inode: int
    path: str
    deleted: bool


class ProcessSymbols:
    """The functions of a process: of its program, its libraries and its vDSO::

        symbols = bpf.symbols.ProcessSymbols(event.pid)
        for frame in symbols.stack(event.user_stack):
            print(frame)

    It reads what is mapped when it is made, and a file's symbols when an address lies in it. An
    address in nothing that is mapped makes it read the mappings again. Nothing stays open. A process
    that has ended keeps the mappings that were read, and files can still be found by their path.

    Files are read through /proc/PID/map_files, which has the very file that is mapped, also when it was
    deleted, replaced, or is in another mount namespace. That takes CAP_SYS_ADMIN (or CAP_CHECKPOINT_RESTORE,
    since 5.9); without, the file is looked for by its path, below /proc/PID/root, and taken if it is
    the same inode. Where a file cannot be had, its addresses have no symbols, but their frames
    have the file and the offset in it.

    It needs pyelftools: `pip install 'pylibbpf[symbols]'`.

    Args:
        pid: the process, as this process's PID namespace counts; 0 for this one.

    Attributes:
        pid: the process.

    Raises:
        NotFoundError: there is no such process (any more).
        PermissionDeniedError: it is another user's, and CAP_SYS_PTRACE is missing.
        ImportError: pyelftools is not installed.
    """

    def __init__(self, pid: int = 0) -> None:
        if isinstance(pid, bool) or not isinstance(pid, int):
            raise TypeError(f"a pid is an int, not {type(pid).__name__}")
        if pid < 0:
            raise ValueError(f"a pid is not negative: {pid}")
        require_pyelftools()
        self.pid = pid or os.getpid()
        self._started = self._start_time()
        self._symbols: dict[tuple[str, str, int], FileSymbols | None] = {}
        self.refresh()

    def refresh(self) -> None:
        """Reads again what the process has mapped.

        Raises:
            NotFoundError: it has ended.
        """
        mappings = list(_read_mappings(self.pid))
        if self._start_time() != self._started:
            raise self._gone()
        starts = [mapping.start for mapping in mappings]
        # Together: no thread that looks something up meanwhile sees one without the others.
        self._table: tuple[list[int], list[Mapping], dict[int, Symbol | None]] = starts, mappings, {}

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """What the process has mapped, as of the last look, in the order of addresses."""
        return tuple(self._table[1])

    def mapping(self, address: int) -> Mapping | None:
        """What is mapped at an address; None if nothing is."""
        found = self._mapping(address)
        if found is None and address not in self._table[2] and self._catch_up():
            found = self._mapping(address)
        return found

    def _mapping(self, address: int) -> Mapping | None:
        starts, mappings, _ = self._table
        index = bisect_right(starts, address) - 1
        return mappings[index] if index >= 0 and address < mappings[index].end else None

    def _catch_up(self) -> bool:
        """Reads the mappings again; whether there are others."""
        before = self._table[1]
        try:
            self.refresh()
        except OSError:
            return False
        return self._table[1] != before

    def find(self, address: int) -> Symbol | None:
        """The function that an address lies in.

        None where nothing is mapped, no code of a file, or where the file has no name for it: a
        stripped file has names for what it exports alone.
        """
        found = self._table[2]
        try:
            return found[address]
        except KeyError:
            pass
        symbol = self._look_up(address)
        found = self._table[2]
        if len(found) >= _KEPT:
            found.clear()
        found[address] = symbol
        return symbol

    def _look_up(self, address: int) -> Symbol | None:
        mapping = self.mapping(address)
        symbols = self._symbols_of(mapping) if mapping else None
        if mapping is None or symbols is None:
            return None
        found = symbols.find(address - mapping.start + mapping.offset)
        if found is None:
            return None
        return Symbol(found.name, mapping.path, address - found.offset, found.size, found.offset)

    def stack(self, stack: Iterable[int] | Buffer) -> list[Frame]:
        """The frames of a user stack, the innermost first, with the file and the offset in it of each.

        Args:
            stack: addresses, as `maps.StackTrace` has them, or what bpf_get_stack() filled under
                BPF_F_USER_STACK: bytes, an array, a field of an event. It ends at a zero.

        Raises:
            TypeError, ValueError: it is no stack.
        """
        return frames_of(stack, self._frame)

    def _frame(self, address: int, inside: int) -> Frame:
        symbol = self.find(inside)
        mapping = self._mapping(inside)
        if mapping is None or not (mapping.inode or mapping.path == _VDSO):
            return Frame(address)
        symbols = self._symbols_of(mapping)
        return Frame(
            address,
            symbol.moved(address - inside) if symbol else None,
            file=mapping.path,
            file_offset=address - mapping.start + mapping.offset,
            build_id=symbols.build_id if symbols else None,
        )

    # --- the process and its files ------------------------------------------------------

    def _start_time(self) -> int:
        """When the process started: tells it from another that was given its pid."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                # The name, in parentheses, may have spaces and parentheses itself.
                fields = file.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            raise self._gone() from None
        state, start_time = fields[0], int(fields[19])
        if state in (b"Z", b"X"):
            raise self._gone()
        return start_time

    def _gone(self) -> NotFoundError:
        hint = "The process has ended, or lives in another PID namespace."
        return NotFoundError(errno.ESRCH, "read the symbols of", f"process {self.pid}", hint=hint)

    def _symbols_of(self, mapping: Mapping) -> FileSymbols | None:
        """The symbols of the file that is mapped; None if it cannot be had, or has none."""
        key = mapping.path, mapping.device, mapping.inode
        try:
            return self._symbols[key]
        except KeyError:
            pass
        symbols = None
        if mapping.path == _VDSO:
            symbols = self._vdso(mapping)
        elif mapping.inode:
            symbols = self._mapped_file(mapping)
        self._symbols[key] = symbols
        return symbols

    def _vdso(self, mapping: Mapping) -> FileSymbols | None:
        """The symbols of the vDSO, a library that the kernel maps and that is in no file."""
        try:
            with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
                self._require_alive()
                memory.seek(mapping.start)
                image = memory.read(mapping.end - mapping.start)
            return FileSymbols._of_file(_VDSO, BytesIO(image))
        except (OSError, FormatError):
            return None

    def _mapped_file(self, mapping: Mapping) -> FileSymbols | None:
        for path, same in self._candidates(mapping):
            try:
                # Never a device, which opening may have an effect on.
                if not stat.S_ISREG(os.stat(path).st_mode):
                    continue
                with open(path, "rb") as file:
                    status = os.fstat(file.fileno())
                    if same:
                        # And not what another process, or this one since, has mapped there.
                        self._require_alive()
                        if os.readlink(path).removesuffix(_DELETED) != mapping.path:
                            continue
                    elif status.st_ino != mapping.inode:
                        continue
                    return _file_symbols(mapping.path, file, status)
            except FormatError:
                return None
            except OSError:
                continue
        return None

    def _candidates(self, mapping: Mapping) -> Iterator[tuple[str, bool]]:
        """Where the file may be, and whether it is the one that is mapped, and not one of its name."""
        yield f"/proc/{self.pid}/map_files/{mapping.start:x}-{mapping.end:x}", True
        if not mapping.deleted:
            yield f"/proc/{self.pid}/root{mapping.path}", False
            # For a process that has ended.
            yield mapping.path, False

    def _require_alive(self) -> None:
        """Raises NotFoundError if the pid is another process's by now."""
        if self._start_time() != self._started:
            raise self._gone()


def _file_symbols(path: str, file: BinaryIO, status: os.stat_result) -> FileSymbols:
    key = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    symbols = _files.get(key)
    if symbols is None:
        symbols = _files[key] = FileSymbols._of_file(path, file)
    return symbols


def _read_mappings(pid: int) -> Iterator[Mapping]:
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            lines = file.read().split(b"\n")
    except (FileNotFoundError, ProcessLookupError):
        return
    except OSError as error:
        hint = "It is another user's: run as root, or grant CAP_SYS_PTRACE."
        code = error.errno or 0
        raise from_errno(code, "read what is mapped by", f"process {pid}", hint=hint) from error
    for line in filter(None, lines):
        bounds, permissions, offset, device, inode, *rest = line.split(None, 5)
        start, _, end = bounds.partition(b"-")
        # The kernel writes a newline in a path as \012, and nothing else so.
        path = os.fsdecode(rest[0].replace(b"\\012", b"\n")) if rest else ""
        yield Mapping(
            start=int(start, 16),
            end=int(end, 16),
            permissions=permissions.decode(),
            offset=int(offset, 16),
            device=device.decode(),
            inode=int(inode),
            path=path.removesuffix(_DELETED),
            deleted=path.endswith(_DELETED),
        )
