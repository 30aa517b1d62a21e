# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Program: what every kind of BPF program has in common.

A program either belongs to an `Object`, and is then reached through libbpf's
`struct bpf_program` while the object is open, or stands by itself on an fd
(from a pin, an id or an fd). In both cases system calls use an fd of its own:
a duplicate, for a program of an object, so that `close()` means the same.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING, Any, ClassVar

from .._native import NULL, Handle, c_string, call, check, create, ffi, lib, text
from ..arguments import on_or_off, unknown_attribute, unsigned
from ..enums import AttachType, ProgramFlags, ProgramType
from ..errors import (
    BpfError,
    ClosedError,
    NotSupportedError,
    ProgramTypeError,
    StateError,
)
from ..fds import open_by_id
from ..pins import Pinnable, open_pinned, require_kind
from ..state import State
from ..tracking import TracksLinks

if TYPE_CHECKING:
    from typing_extensions import Self

    from .._libbpf import CData
    from .._native import StrPath
    from ..btf import Btf
    from ..link import Link
    from ..maps import Map, StructOpsMap
    from ..object import Object
    from .info import ProgramInfo
    from .stats import ProgramStats
    from .test_run import RunResult


class Program(TracksLinks, Pinnable):
    """A BPF program of any kind. The kinds that pylibbpf knows are subclasses.

    Attributes:
        name: its function's name; the kernel keeps the first 15 characters.
        section: the ELF section it came from, "fentry/do_unlinkat"; "" for a
            program that came from the kernel.
    """

    name: str
    section: str

    # What the subclasses say of themselves.
    _type: ClassVar[ProgramType | None] = None
    _attach_types: ClassVar[tuple[AttachType, ...]] = ()
    _sections: ClassVar[tuple[str, ...]] = ()
    # Whether libbpf can attach it from its section alone.
    _attaches_itself: ClassVar[bool] = False
    _pin_word = "program"

    _object: Object | None
    _pointer: CData  # of libbpf's struct bpf_program; NULL without an object
    _program_type: ProgramType
    _handle: Handle | None  # of the fd, once it was asked for
    _closed: bool
    _log: str
    _log_level: int
    _alone: bool  # loaded by itself: libbpf's object does not know
    _loaded_attach_type: AttachType | None  # known as soon as the handle is

    def __init__(self) -> None:
        raise TypeError("programs come from an Object, or from from_pin, from_id and from_fd")

    # --- where they come from -----------------------------------------------------

    @classmethod
    def _of_object(cls, obj: Object, pointer: CData) -> Program:
        """A program of an object, in the class of its kind. Under the object's lock and borrow."""
        from .kinds import kind_of

        section = text(lib.bpf_program__section_name(pointer))
        type = ProgramType(lib.bpf_program__type(pointer))
        attach_type = lib.bpf_program__expected_attach_type(pointer)
        self = object.__new__(kind_of(type, attach_type, section))
        self.name = text(lib.bpf_program__name(pointer))
        self.section = section
        self._object = obj
        self._pointer = pointer
        self._set_up(type, None)
        return self

    @classmethod
    def _of_fd(cls, handle: Handle, info: ProgramInfo | None = None, name: str | None = None) -> Self:
        """A program on an fd, after a check of its type."""
        try:
            with handle as fd:
                if info is None:
                    from .info import program_info

                    info = program_info(fd)
            cls._check_type(info)
            self = object.__new__(cls)
            self.name = info.name if name is None else name
            self.section = ""
            self._object = None
            self._pointer = NULL
            self._set_up(info.type, handle)
        except BaseException:
            handle.close()
            raise
        return self

    def _set_up(self, type: ProgramType, handle: Handle | None) -> None:
        self._program_type = type
        self._handle = handle
        self._closed = False
        self._links = []
        self._log = ""
        self._log_level = 0
        self._alone = False
        self._loaded_attach_type = None

    @classmethod
    def _check_type(cls, info: ProgramInfo) -> None:
        if cls._type is not None and info.type != cls._type:
            raise ProgramTypeError(
                f"program {info.id} ('{info.name}') is of type {info.type.name}, "
                f"and {cls.__name__} is {cls._type.name}"
            )

    @classmethod
    def from_pin(cls, path: StrPath) -> Self:
        """The program pinned at a path. `unpin()` will remove that pin.

        Raises:
            NotFoundError: there is no such pin.
            TypeError: a map or a link is pinned there.
            ProgramTypeError: the program is of another type. Kinds that share a type
                (FEntry, FExit, Iter and so on) are told apart only as far as the kernel
                reports it.
        """
        self = cls._of_fd(open_pinned(path, "prog", "program"))
        self._pinned_path = os.fsdecode(path)
        return self

    @classmethod
    def from_id(cls, id: int) -> Self:
        """The program of that id. Needs CAP_SYS_ADMIN (BPF_PROG_GET_FD_BY_ID, 4.13).

        Raises:
            NotFoundError: there is none.
            ProgramTypeError: it is of another type.
        """
        handle = open_by_id(lib.call_bpf_prog_get_fd_by_id, id, "program")
        handle.what = f"program {id}"
        return cls._of_fd(handle)

    @classmethod
    def from_fd(cls, fd: int) -> Self:
        """The program of an fd, which is duplicated: the caller keeps its own.

        Raises:
            TypeError: the fd is of something else.
            ProgramTypeError: the program is of another type.
        """
        require_kind(fd, "prog", f"fd {fd}")
        return cls._of_fd(Handle(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3), os.close, what="program"))

    @classmethod
    def from_program_info(cls, info: ProgramInfo, name: str | None = None) -> Self:
        """The loaded program that an info describes, found by its id.

        Args:
            info: what `Program.info()` returned, here or in another process.
            name: its name, by default the kernel's, which ends after 15 characters.

        Raises:
            ProgramTypeError: the info is of a program of another type.
            NotFoundError: it is not loaded any more.
        """
        cls._check_type(info)
        handle = open_by_id(lib.call_bpf_prog_get_fd_by_id, info.id, "program")
        return cls._of_fd(handle, name=name)

    # --- what it is ---------------------------------------------------------------

    @property
    def type(self) -> ProgramType:
        """Its type, as the kernel has it."""
        return self._program_type

    @property
    def expected_attach_type(self) -> AttachType | None:
        """Where it is going to attach; None where neither its section nor its class says.

        The kernel does not report it, so that for a program from a pin, id or fd the
        class it was opened with is believed.
        """
        if self._object is None:
            return self._attach_types[0] if len(self._attach_types) == 1 else None
        self._require_open()
        # Once it is loaded it stays; before, libbpf may change it (libbpf.c:libbpf_prepare_prog_load).
        if self._handle is not None:
            return self._loaded_attach_type
        return AttachType(self._get(lib.bpf_program__expected_attach_type))

    def _ask_attach_type(self) -> AttachType:
        return AttachType(lib.bpf_program__expected_attach_type(self._pointer))

    def _get(self, getter: Any) -> Any:
        """A fact that libbpf has of a program of an object."""
        obj = self._require_object("")
        self._require_open()
        with obj._turn():
            return getter(self._pointer)

    def _configure(self, setter: Any, value: Any, what: str) -> None:
        self._require_open()
        obj = self._require_object(what)
        with obj._turn():
            obj._require_opened(f"{what} of program '{self.name}'")
            check(setter(self._pointer, value), f"set {what} of program", f"'{self.name}'")

    def _require_object(self, what: str) -> Object:
        if self._object is None:
            raise StateError(
                f"program '{self.name}' was opened from the kernel; "
                f"{what or 'this'} is known of a program of an Object only"
            )
        return self._object

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError(f"program '{self.name}' is closed")

    @property
    def autoload(self) -> bool:
        """Whether `Object.load` loads it. Settable before that (bpf_program__set_autoload)."""
        return bool(self._get(lib.bpf_program__autoload))

    @autoload.setter
    def autoload(self, value: bool) -> None:
        self._configure(lib.bpf_program__set_autoload, on_or_off(value, "autoload"), "autoload")

    @property
    def autoattach(self) -> bool:
        """Whether `Object.attach` attaches it. Settable at any time (bpf_program__set_autoattach)."""
        return bool(self._get(lib.bpf_program__autoattach))

    @autoattach.setter
    def autoattach(self, value: bool) -> None:
        obj = self._require_object("autoattach")
        self._require_open()
        wanted = on_or_off(value, "autoattach")
        with obj._turn():
            lib.bpf_program__set_autoattach(self._pointer, wanted)

    @property
    def flags(self) -> ProgramFlags:
        """Its load flags. Settable before load. Those of its section (".s", ".frags") are added then."""
        return ProgramFlags(self._get(lib.bpf_program__flags))

    @flags.setter
    def flags(self, value: int) -> None:
        self._configure(lib.bpf_program__set_flags, unsigned(value, "flags"), "flags")

    @property
    def log_level(self) -> int:
        """What the verifier shall log (`enums.LogLevel`), into `log`. Settable before load."""
        return int(self._get(lib.bpf_program__log_level))

    @log_level.setter
    def log_level(self, value: int) -> None:
        level = unsigned(value, "log_level")
        self._configure(lib.bpf_program__set_log_level, level, "log_level")
        self._log_level = level

    @property
    def log(self) -> str:
        """The verifier's log of the last load, "" if none was asked for and it went well."""
        return self._log

    @property
    def instructions(self) -> bytes:
        """Its instructions as they stand: 8 bytes each, relocated once the object is prepared."""
        obj = self._require_object("instructions")
        self._require_open()
        with obj._turn():
            size = lib.bpf_program__insn_cnt(self._pointer) * ffi.sizeof("struct bpf_insn")
            return bytes(ffi.buffer(lib.bpf_program__insns(self._pointer), size)) if size else b""

    def set_attach_target(self, name: str, *, program: Program | int | None = None) -> None:
        """Says which function it will attach to, before the object is loaded.

        Args:
            name: a kernel function, tracepoint or LSM hook, or a function of `program`.
            program: the loaded program, or its fd, that fentry, fexit or freplace is for.

        Raises:
            StateError: the object is loaded already.
            NotFoundError: there is no such function.

        libbpf: bpf_program__set_attach_target.
        """
        self._require_open()
        obj = self._require_object("an attach target")
        target = c_string(name, "name")
        with obj._turn():
            obj._require_opened(f"the attach target of program '{self.name}'")
            if isinstance(program, Program):
                with program._fd_handle() as fd:
                    self._call_set_attach_target(fd, target)
            else:
                self._call_set_attach_target(program or 0, target)

    def _call_set_attach_target(self, fd: int, target: bytes) -> None:
        from .refusal import no_target

        try:
            call(
                lib.call_bpf_program__set_attach_target,
                self._pointer,
                fd,
                target,
                operation=f"set the attach target of program '{self.name}' to",
                subject=f"'{target.decode()}'",
            )
        except BpfError as error:
            # libbpf's words for a name that BTF does not have.
            if error.errno not in (errno.ESRCH, errno.ENOENT):
                raise
            missing = no_target(error, self, target.decode())
            if fd:
                missing.hint = "The target program has no such function, or was loaded without BTF."
            raise missing from None

    # --- load and unload --------------------------------------------------------------

    def _load_alone(
        self,
        needs_target: bool,
        target: str | None = None,
        btf: Btf | None = None,
        program: Program | None = None,
    ) -> None:
        """Loads this program without its siblings, out of its object, which it prepares if need be."""
        from .load import load_alone

        self._require_open()
        obj = self._require_object("load()")
        with obj._turn():
            if obj._state == State.FAILED:
                raise StateError(f"object '{obj.name}': an earlier load failed; close it and open it anew")
            if self._is_loaded():
                raise StateError(f"program '{self.name}' is loaded already")
            if obj._state != State.LOADED and obj._is_named_by_a_map(self.name):
                raise StateError(
                    f"program '{self.name}' is named by a map, in the initialiser of a PROG_ARRAY or in a "
                    "struct_ops: load the whole object first"
                )
            if obj._state == State.OPENED:
                try:
                    obj.prepare()
                except NotSupportedError as error:
                    error.hint += " Or name the target by set_attach_target() and load the whole object."
                    raise
            self._loaded_attach_type = self._ask_attach_type()
            self._handle = load_alone(self, target, btf, program, needs_target)
            self._handle.what = f"program '{self.name}'"
            self._alone = True
            if obj._state == State.PREPARED:
                # So that a load of the object loads the rest.
                lib.bpf_program__set_autoload(self._pointer, False)

    def _is_loaded(self) -> bool:
        return self._alone or lib.bpf_program__fd(self._pointer) >= 0

    def unload(self) -> None:
        """Takes the program out of the kernel, after its tracked links. It can be loaded again, by itself.

        It stays in the kernel as long as it is pinned, or attached by a link that was
        taken or pinned.

        Raises:
            StateError: it is not loaded.

        libbpf: bpf_program__unload.
        """
        self._require_open()
        if self._object is None:
            self.close()
            return
        with self._object._turn():
            if not self._is_loaded():
                raise StateError(f"program '{self.name}' is not loaded")
            self._detach_all()
            if not self._alone:
                lib.bpf_program__unload(self._pointer)
            self._alone = False
            handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()

    # --- the loaded program ---------------------------------------------------------

    def _fd_handle(self) -> Handle:
        """The handle of its fd. For a program of an object, a duplicate that is made once."""
        self._require_open()
        if self._handle is None:
            obj = self._require_object("its fd")
            with obj._turn():
                fd = lib.bpf_program__fd(self._pointer)
                if fd < 0:
                    raise StateError(
                        f"program '{self.name}' is not loaded: "
                        "it must be loaded before it is attached, pinned or asked"
                    )
                if self._handle is None:
                    self._loaded_attach_type = self._ask_attach_type()
                    # From 3 on: the kernel takes 0 for "none" (libbpf.c:ensure_good_fd).
                    duplicate = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
                    self._handle = Handle(duplicate, os.close, what=f"program '{self.name}'")
        return self._handle

    def fileno(self) -> int:
        """The fd of the loaded program, which stays this object's.

        Raises:
            StateError: it is not loaded.
            ClosedError: it is closed.
        """
        with self._fd_handle() as fd:
            return int(fd)

    @property
    def fd(self) -> int:
        """The same as `fileno()`."""
        return self.fileno()

    @property
    def id(self) -> int:
        """The kernel's id of the loaded program (4.13)."""
        return self.info().id

    def info(self) -> ProgramInfo:
        """What the kernel says of it now. Needs 4.13 (BPF_OBJ_GET_INFO_BY_FD)."""
        from .info import program_info

        with self._fd_handle() as fd:
            return program_info(fd)

    def stats(self) -> ProgramStats:
        """How often and how long it ran while statistics were on: `enable_stats()`, or the sysctl
        kernel.bpf_stats_enabled (5.1)."""
        return self.info().stats

    def test_run(
        self,
        data: Any = None,
        *,
        context: Any = None,
        repeat: int = 1,
        flags: int = 0,
        cpu: int = 0,
        data_out_size: int | None = None,
    ) -> RunResult:
        """Runs it once or more, on data of the caller's, as `test_run.run` says (4.12)."""
        from .test_run import run

        with self._fd_handle() as fd:
            return run(
                fd, data, context, subject=f"'{self.name}'", repeat=repeat, flags=flags, cpu=cpu,
                data_out_size=data_out_size,
            )  # fmt: skip

    def bind_map(self, map: Map) -> None:
        """Ties a map's life to the program's, without the program using it (5.10).

        libbpf: bpf_prog_bind_map.
        """
        with self._fd_handle() as fd, map._fd_handle() as map_fd:
            check(lib.bpf_prog_bind_map(fd, map_fd, NULL), "bind a map to program", f"'{self.name}'")

    def assoc_struct_ops(self, map: StructOpsMap) -> None:
        """Says which struct_ops map the kernel functions that this program calls shall act on (7.0).

        A program has one for its life, and keeps it alive. Programs of a struct_ops map have theirs.

        Raises:
            MapTypeError: it is no struct_ops map.
            NotSupportedError: this kernel knows no such association.
            BpfError: EBUSY if the program has another; EINVAL if it is of a struct_ops map.

        libbpf: bpf_prog_assoc_struct_ops, as bpf_program__assoc_struct_ops does it.
        """
        from .struct_ops import associate

        associate(self, map)

    # --- links ------------------------------------------------------------------------

    def _attach_by_section(self) -> Link:
        """Attaches where the section says, and tracks the link. libbpf: bpf_program__attach."""
        from ..link.create import raise_explained
        from ..link.link import Link, link_fds

        self._require_open()
        if self._object is None or self._alone:
            return self._track(self._attach_by_fd())
        obj = self._object
        with obj._turn():
            if lib.bpf_program__fd(self._pointer) < 0:
                raise StateError(f"program '{self.name}' must be loaded before it is attached")
            try:
                handle = create(
                    lib.call_bpf_program__attach,
                    self._pointer,
                    free=lib.bpf_link__destroy,
                    fds=link_fds,
                    operation="attach program",
                    subject=f"'{self.name}' (SEC \"{self.section}\")",
                )
            except BpfError as error:
                raise_explained(error, self._explain(error))
        return self._track(Link._of_pointer(handle))

    def _attach_by_fd(self) -> Link:
        """Attaches a program that libbpf has no struct of: one from the kernel, or loaded alone."""
        raise StateError(
            f"program '{self.name}' did not get its fd from Object.load(); "
            f"a {type(self).__name__} like that cannot be attached"
        )

    def _explain(self, error: BpfError) -> BpfError:
        """The error of a failed attach by section, with what to do about it where that can be told."""
        if error.errno == errno.EOPNOTSUPP and "/" not in self.section and not error.hint:
            error.hint = "Its section does not say where: complete it, or turn the program's autoattach off."
        return error

    # --- end ----------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether it, or its object, was closed."""
        return self._closed or (self._object is not None and self._object.closed)

    def close(self) -> None:
        """Ends the tracked links and this program's handle. Idempotent.

        A program of an object stays loaded until the object is closed; one that is
        pinned, or attached by a link that was taken or pinned, lives on.
        """
        self._closed = True
        try:
            self._detach_all()
        finally:
            if self._handle is not None:
                self._handle.close()

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name) and name not in ("name", "section"):
            # Else a misspelt `program.autolod = False` would do nothing, and say nothing.
            raise AttributeError(unknown_attribute(type(self), name))
        super().__setattr__(name, value)

    def __enter__(self) -> Self:
        self._require_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = f'SEC "{self.section}"' if self.section else self._program_type.name
        return f"<{type(self).__name__} '{self.name}', {where}{', closed' if self.closed else ''}>"


class AutoAttached(Program):
    """A kind that libbpf can attach from its section alone."""

    _attaches_itself = True

    def attach(self) -> Link:
        """Attaches it where its section says. The link is tracked: `detach`, `take_link`.

        Raises:
            StateError: it is not loaded.
            NotSupportedError: the section does not say where, or the kernel cannot.
            NotFoundError: what the section names does not exist.
            BpfError: the kernel refused.

        libbpf: bpf_program__attach.
        """
        return self._attach_by_section()
