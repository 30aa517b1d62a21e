# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A BPF object file: open, configure, prepare, load, attach, close.

An `Object` owns its programs, maps and variables, and they keep it alive. The
C object is one `Handle`; every call into libbpf that reads or changes it runs
under the object's lock, since libbpf has none of its own. `close()` takes no
lock: the last call in progress frees.
"""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
from _thread import RLock
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from . import errors
from ._native import DEBUG, NULL, Handle, c_string, call, create, error_of, ffi, invoke, lib, path_bytes, text
from .enums import MapType
from .errors import BpfError, ClosedError, FormatError, NameNotFoundError, StateError

# Not when they are needed: a process that gave up its rights may not be able to read them any more.
from .maps.explain import explain as explain_maps
from .maps.struct_ops import without_links
from .programs.refusal import explain_load
from .state import State
from .tokens import explain_token

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

    from ._libbpf import CData
    from ._native import Call
    from .btf import Btf
    from .link import Link
    from .maps import Map, StructOpsMap, Variable
    from .programs import Program

    ProgramT = TypeVar("ProgramT", bound=Program)
    MapT = TypeVar("MapT", bound=Map)

T = TypeVar("T")


class ByName(Mapping[str, T]):
    """A read-only mapping by name, in ELF order. A name that is missing offers those that look like it."""

    __slots__ = ("_items", "_kind")

    def __init__(self, kind: str, items: dict[str, T]) -> None:
        self._kind = kind
        self._items = items

    def __getitem__(self, name: str) -> T:
        try:
            return self._items[name]
        except (KeyError, TypeError):
            if not isinstance(name, str):
                raise TypeError(f"a {self._kind} is named by a str, not {type(name).__name__}") from None
            raise NameNotFoundError(self._kind, name, self._items) from None

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<{self._kind}s: {', '.join(self._items) or 'none'}>"


class Object:
    """A BPF object: its programs, maps and global variables.

    Made by `Object.open` or `Object.load_file`. A context manager; `close()`
    detaches the links its programs track, and frees everything that is not
    pinned or taken.

    Attributes:
        name: libbpf's name of the object, a prefix of its global data maps.
        programs: the programs by name, each in the class of its kind.
        maps: the maps by name; ".rodata" and its like also without the object's name.
    """

    name: str
    programs: ByName[Program]
    maps: ByName[Map]

    _handle: Handle
    _lock: RLock  # guards libbpf's object: libbpf has no lock of its own
    _state: State
    _path: bytes | None
    _license: str | None
    _named_in_maps: frozenset[str]  # valid once _license is known
    _log_level: int
    _btf: Btf | None
    _variables: ByName[Variable] | None  # most of the cost of an open, so made when asked for

    def __init__(self) -> None:
        raise TypeError("use Object.open(path) or Object.load_file(path)")

    # --- open -----------------------------------------------------------------

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str] | os.PathLike[bytes] | Buffer,
        *,
        name: str | None = None,
        kconfig: str | None = None,
        btf_path: str | os.PathLike[str] | None = None,
        pin_root: str | os.PathLike[str] | None = None,
        token_path: str | os.PathLike[str] | None = None,
        relaxed_maps: bool = False,
        log_level: int = 0,
    ) -> Self:
        """Opens an object and parses it; nothing is in the kernel yet.

        Args:
            source: a path, or the object itself as bytes or any buffer, which may be
                freed or changed once this returns.
            name: the object's name; by default the file's, or "object" for a buffer.
            kconfig: lines of kernel configuration that override the running kernel's,
                for `__kconfig` variables.
            btf_path: BTF of the kernel to relocate against, where
                /sys/kernel/btf/vmlinux is missing.
            pin_root: directory on a bpffs for maps that are pinned by name,
                by default /sys/fs/bpf.
            token_path: where a bpffs is mounted that delegates rights to this user namespace, to
                make a BPF token from (6.9); "" for none. By default the variable
                LIBBPF_BPF_TOKEN_PATH of the environment, else /sys/fs/bpf if that delegates any.
            relaxed_maps: accept map definitions with attributes unknown to libbpf.
            log_level: verifier log level of all programs (`enums.LogLevel`); the logs
                are in `Program.log` after load.

        Raises:
            NotFoundError: there is no such file.
            FormatError: it is no BPF object: a directory, no ELF, truncated, broken BTF.
            PermissionDeniedError: the file may not be read.

        libbpf: bpf_object__open_file, bpf_object__open_mem.
        """
        options, keep = _open_options(name, kconfig, btf_path, pin_root, token_path, relaxed_maps, log_level)
        self = object.__new__(cls)
        if isinstance(source, (str, os.PathLike)):
            self._open_path(path_bytes(source), options)
        else:
            if not name:
                keep.append(object_name := ffi.new("char[]", b"object"))
                options.object_name = object_name
            self._open_buffer(source, options, name or "object")
        self._lock = RLock()
        self._state = State.OPENED
        self._log_level = log_level
        self._btf = None
        self._variables = None
        try:
            self._describe()
        except BaseException:
            self._handle.close()
            raise
        return self

    def _open_path(self, path: bytes, options: CData) -> None:
        subject = f"'{os.fsdecode(path)}'"
        if os.path.isdir(path):
            # libelf cannot begin on one, and libbpf then forgets to close its fd
            # (libbpf.c:bpf_object__elf_finish returns early without an ELF handle).
            raise FormatError(errno.EISDIR, "open BPF object", subject)
        self._path, self._license = path, None
        self._open(subject, path, lib.call_bpf_object__open_file, path, options)

    def _open_buffer(self, source: Buffer, options: CData, name: str) -> None:
        # Released at once, also when this raises: the traceback would keep the caller's buffer exported.
        with _image(source) as image, ffi.from_buffer(image) as buffer:
            self._path = None
            self._read_image(image)
            subject = f"'{name}' ({len(image)} bytes in memory)"
            self._open(subject, None, lib.call_bpf_object__open_mem, buffer, len(image), options)

    def _open(self, subject: str, path: bytes | None, function: Any, *arguments: Any) -> None:
        try:
            self._handle = create(
                function,
                *arguments,
                free=lib.bpf_object__close,
                fds=_fds,
                operation="open BPF object",
                subject=subject,
            )
        except BpfError as error:
            raise _open_error(error, path) from None
        self._handle.what = f"object {subject}"

    @classmethod
    def load_file(cls, path: str | os.PathLike[str]) -> Self:
        """Opens and loads an object. Raises what `open` and `load` raise, and leaves nothing behind then."""
        self = cls.open(path)
        try:
            self.load()
        except BaseException:
            self.close()
            raise
        return self

    @contextlib.contextmanager
    def _turn(self) -> Iterator[CData]:
        """This thread's turn with libbpf's object: its lock, and a borrow of the pointer.

        Not for a forked child, where a thread that is not there any more may hold the lock.
        """
        self._handle.require_own_process()
        with self._lock, self._handle as pointer:
            yield pointer

    def _describe(self) -> None:
        """Reads names and kinds of all that the object has, once."""
        from .maps import Map
        from .programs import Program
        from .programs.sections import assign

        with self._turn() as pointer:
            self.name = text(lib.bpf_object__name(pointer))
            programs, maps = {}, {}
            program = lib.bpf_object__next_program(pointer, NULL)
            while program:
                assign(program)
                made = Program._of_object(self, program)
                programs[made.name] = made
                program = lib.bpf_object__next_program(pointer, program)
            map = lib.bpf_object__next_map(pointer, NULL)
            while map:
                mapped = Map._of_object(self, map)
                maps[mapped.name] = mapped
                map = lib.bpf_object__next_map(pointer, map)
            self.programs = ByName("program", programs)
            self.maps = _Maps("map", maps)

    # --- what it has ------------------------------------------------------------

    def program(self, name: str, kind: type[ProgramT]) -> ProgramT:
        """The program of that name, typed.

        Raises:
            NameNotFoundError: there is none of that name.
            ProgramTypeError: it is of another kind; the message names both.
        """
        program = self.programs[name]
        if not isinstance(program, kind):
            raise errors.ProgramTypeError(
                f"program '{name}' is of class {type(program).__name__} (SEC \"{program.section}\"), "
                f"not {kind.__name__}"
            )
        return program

    def map(self, name: str, kind: type[MapT]) -> MapT:
        """The map of that name, typed.

        Raises:
            NameNotFoundError: there is none of that name.
            MapTypeError: it is of another kind; the message names both.
        """
        map = self.maps[name]
        if not isinstance(map, kind):
            raise errors.MapTypeError(
                f"map '{name}' is of class {type(map).__name__} ({map.type.name}), not {kind.__name__}"
            )
        return map

    @property
    def btf(self) -> Btf | None:
        """The object's own types, or None if it was compiled without BTF. They end with the object."""
        if self._btf is None:
            with self._turn() as pointer:
                btf = lib.bpf_object__btf(pointer)
                if btf and self._btf is None:
                    from .btf import Btf

                    self._btf = Btf._from_borrowed(btf, self._handle)
        return self._btf

    @property
    def variables(self) -> ByName[Variable]:
        """The global variables by name, of .rodata, .data, .bss, .kconfig and custom data sections."""
        if self._variables is None:
            with self._turn():
                if self._variables is None:
                    from .maps.variables import variables_of

                    self._variables = ByName("variable", variables_of(self))
        return self._variables

    @property
    def license(self) -> str:
        """The licence that the object declares in SEC("license"), "GPL"; "" if it declares none."""
        if self._license is None:
            with open(self._path or b"", "rb") as file:
                return self._read_image(file.read())
        return self._license

    def _is_named_by_a_map(self, program: str) -> bool:
        """Whether the initialiser of a map names a program: libbpf puts it there when it loads the object."""
        self.license  # noqa: B018 - which reads the file
        return program in self._named_in_maps

    def _read_image(self, image: bytes | memoryview) -> str:
        """Reads what libbpf does not hand out of the file, and returns its licence."""
        from .elf import license_of
        from .maps.references import programs_in_maps

        self._named_in_maps = programs_in_maps(image)
        self._license = license_of(image)
        return self._license

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._handle.closed

    # --- load -------------------------------------------------------------------

    def prepare(self) -> None:
        """Creates the maps and relocates the programs, without loading programs.

        Programs can be loaded one by one after it. A failed prepare leaves an
        object that can only be closed.

        Raises:
            StateError: it was prepared or loaded before.
            NotSupportedError: the libbpf in use is older than 1.6.
            BpfError: as `load`.

        libbpf: bpf_object__prepare.
        """
        self._advance(lib.call_bpf_object__prepare, "prepare", State.PREPARED)

    def load(self) -> None:
        """Loads the object: CO-RE relocation, maps, verifier; all programs with autoload.

        All or nothing: a failed load leaves an object that can only be closed.
        A Ctrl-C during the load is raised when the kernel is done.

        Raises:
            StateError: it was loaded before, or a load failed before.
            VerifierError: a program was rejected.
            PermissionDeniedError: without CAP_BPF and what the program types need.
            NotSupportedError, NotFoundError, BpfError: as the kernel and libbpf answer.

        libbpf: bpf_object__load.
        """
        self._advance(lib.call_bpf_object__load, "load", State.LOADED)

    def _advance(self, function: Any, verb: str, state: State) -> None:
        with self._turn() as pointer:
            if self._state == State.FAILED:
                raise StateError(f"object '{self.name}': an earlier load failed; close it and open it anew")
            if self._state >= state:
                done = "loaded" if self._state == State.LOADED else "prepared"
                raise StateError(f"object '{self.name}' is {done} already")
            wants_log = self._log_level or any(program._log_level for program in self.programs.values())
            # Until it is known to have gone well: an exception of a signal handler may cut in.
            self._state = State.FAILED
            done_call = invoke(function, pointer, level=DEBUG if wants_log else None)
            missing = done_call.errno == lib.GLUE_MISSING
            if not done_call.errno:
                self._state = state
            elif missing:
                self._state = State.OPENED
            self._keep_logs(done_call)
            if done_call.errno:
                raise self._load_error(done_call, verb)

    def _keep_logs(self, done: Call) -> None:
        for message in done.messages:
            name, log = errors.program_log(message)
            if name in self.programs:
                self.programs[name]._log = log

    def _load_error(self, done: Call, verb: str) -> errors.Error:
        error = error_of(done, f"{verb} BPF object", f"'{self.name}'")
        explained = without_links(error, self.maps) or explain_load(error, self.programs)
        has_token = lib.bpf_object__token_fd(self._handle._value) >= 0
        return explain_maps(self, explain_token(explained, has_token=has_token))

    def _require_opened(self, what: str) -> None:
        """What a setter calls: configuring ends with prepare and load."""
        self._handle.require_own_process()
        if self._handle.closed:
            raise ClosedError(f"this {self._handle.what} is closed")
        if self._state != State.OPENED:
            raise StateError(f"{what} must be set before the object is loaded")

    # --- attach -----------------------------------------------------------------

    def attach(self) -> list[Link]:
        """Attaches every program that can be attached from its section alone, and every struct_ops map,
        as a skeleton does.

        The links are tracked by their programs and maps: `detach()` and `close()` end them.
        All or nothing: if one fails, those before it are detached and the error is raised.

        Left out are programs with `autoload` or `autoattach` off, those that have a link
        already, and the kinds whose section never says where: XDP, tc, cgroup, sockets,
        sockmaps, netns, netfilter, perf events, LSM for cgroups, struct_ops programs.
        A kind that can attach by itself, but whose section lacks the target (a bare
        `SEC("kprobe")`), is an error unless its `autoattach` is off; so is a struct_ops map
        without `MapFlags.LINK`, which `StructOpsMap.attach(legacy=True)` registers.

        Returns:
            The new links, in ELF order: those of programs, then those of maps.

        Raises:
            StateError: the object is not loaded.
            BpfError: an attachment failed.

        libbpf: bpf_program__attach, bpf_map__attach_struct_ops.
        """
        self._handle.require_own_process()
        with self._handle:
            if self._state != State.LOADED:
                raise StateError(f"object '{self.name}' must be loaded before it is attached")
        links: list[Link] = []
        try:
            self._attach_into(links)
        except BaseException:
            for link in links:
                link.close()
            raise
        return links

    def _attach_into(self, links: list[Link]) -> None:
        for program in self.programs.values():
            if program._attaches_itself and program.autoload and program.autoattach and not program.links:
                links.append(program._attach_by_section())
        for map in self._struct_ops_maps():
            if map.autocreate and map.autoattach and not map.links:
                links.append(map.attach())

    def _struct_ops_maps(self) -> Iterator[StructOpsMap]:
        return (cast("StructOpsMap", map) for map in self.maps.values() if map.type == MapType.STRUCT_OPS)

    def detach(self) -> None:
        """Detaches every link that the object's programs and maps track."""
        with contextlib.ExitStack() as stack:
            for program in self.programs.values():
                stack.callback(program._detach_all)
            for map in self._struct_ops_maps():
                stack.callback(map._detach_all)

    # --- pins -------------------------------------------------------------------

    def pin(self, directory: str | os.PathLike[str]) -> None:
        """Pins all programs and maps below a directory of a bpffs, each under its name.

        Raises:
            StateError: the object is not loaded.
            ExistsError: something is pinned there already. Nothing stays pinned then.

        libbpf: bpf_object__pin.
        """
        self._pins(lib.call_bpf_object__pin, directory, "pin")

    def unpin(self, directory: str | os.PathLike[str]) -> None:
        """Removes what `pin` pinned below a directory.

        libbpf: bpf_object__unpin (1.3).
        """
        self._pins(lib.call_bpf_object__unpin, directory, "unpin")

    def _pins(self, function: Any, directory: str | os.PathLike[str], verb: str) -> None:
        with self._turn() as pointer:
            if self._state != State.LOADED:
                raise StateError(f"object '{self.name}' must be loaded before it is pinned")
            path = path_bytes(directory)
            call(
                function, pointer, path,
                operation=f"{verb} BPF object", subject=f"'{self.name}' at '{os.fsdecode(path)}'",
            )  # fmt: skip

    # --- end --------------------------------------------------------------------

    def close(self) -> None:
        """Detaches the tracked links and frees the object. Idempotent.

        What is pinned, and links that were taken, live on. The C memory goes when the
        last call in progress returns, and when the last USDT link is closed.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._handle.close)
            for map in self.maps.values():
                stack.callback(map.close)
            for program in self.programs.values():
                stack.callback(program.close)

    def __enter__(self) -> Self:
        with self._handle:
            return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        handle: Handle | None = self.__dict__.get("_handle")
        # The handles free themselves; this only says that close() was forgotten.
        if handle is not None and not handle.closed and not handle.forked:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        state = "closed" if self._handle.closed else self._state.name.lower()
        return f"<Object '{getattr(self, 'name', '?')}', {state}>"


class _Maps(ByName[T]):
    """Maps, where ".rodata" also finds "tool.rodata" (libbpf.c:bpf_object__find_map_by_name)."""

    __slots__ = ()

    def __getitem__(self, name: str) -> T:
        if name not in self._items and str(name).startswith("."):
            for full in self._items:
                if full.endswith(name):
                    return self._items[full]
        return super().__getitem__(name)


def _fds(pointer: CData) -> list[int]:
    """The fds of an object, for a forked child, which closes them and leaves the rest."""
    fds = [lib.bpf_object__btf_fd(pointer)]
    program = lib.bpf_object__next_program(pointer, NULL)
    while program:
        fds.append(lib.bpf_program__fd(program))
        program = lib.bpf_object__next_program(pointer, program)
    map = lib.bpf_object__next_map(pointer, NULL)
    while map:
        fds.append(lib.bpf_map__fd(map))
        map = lib.bpf_object__next_map(pointer, map)
    return [fd for fd in fds if fd >= 0]


def _open_options(
    name: str | None,
    kconfig: str | None,
    btf_path: str | os.PathLike[str] | None,
    pin_root: str | os.PathLike[str] | None,
    token_path: str | os.PathLike[str] | None,
    relaxed_maps: bool,
    log_level: int,
) -> tuple[CData, list[CData]]:
    """struct bpf_object_open_opts, and the strings it points to."""
    options = ffi.new("struct bpf_object_open_opts *")
    options.sz = ffi.sizeof("struct bpf_object_open_opts")
    options.relaxed_maps = relaxed_maps
    options.kernel_log_level = log_level
    strings = {
        "object_name": None if name is None else c_string(name, "name"),
        "kconfig": None if kconfig is None else c_string(kconfig, "kconfig"),
        "btf_custom_path": None if btf_path is None else path_bytes(btf_path),
        "pin_root_path": None if pin_root is None else path_bytes(pin_root),
        "bpf_token_path": None if token_path is None else path_bytes(token_path),
    }
    keep = []
    for field, value in strings.items():
        if value is not None:
            keep.append(pointer := ffi.new("char[]", value))
            setattr(options, field, pointer)
    return options, keep


def _image(source: Buffer) -> memoryview:
    try:
        image = memoryview(source).cast("B")
    except TypeError:
        raise TypeError(
            f"an object is opened from a path or a contiguous buffer, not {type(source).__name__}"
        ) from None
    if not image.nbytes:
        raise FormatError(4001, "open BPF object", "(0 bytes in memory)", hint="The buffer is empty.")
    return image


# What says that the machine, and not the file, stood in the way.
_NOT_THE_FILE = {errno.EACCES, errno.EPERM, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EINTR, errno.EIO}


def _open_error(error: BpfError, path: bytes | None) -> BpfError:
    """What open's errno means: a file that exists and cannot be parsed is a FormatError."""
    number = error.errno or 0
    if number in _NOT_THE_FILE or isinstance(error, errors.NotSupportedError):
        return error
    if number == errno.ENOENT and path is not None and not os.path.exists(path):
        return error
    hint = error.hint
    if path is not None and os.path.exists(path) and not os.path.getsize(path):
        hint = "The file is empty."
    elif number == 4000 or number == 4001:
        hint = "A BPF object is an ELF file, as `clang -g -O2 -target bpf -c` makes it."
    return FormatError(number, error.operation, error.subject, messages=error.messages, hint=hint)
