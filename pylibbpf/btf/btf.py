# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Btf: the types of a kernel, a module, a program or an object file."""

from __future__ import annotations

import errno
import struct
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._native import Handle, c_string, create, ffi, lib, path_bytes, text
from ..errors import (
    BpfError,
    ClosedError,
    FormatError,
    NameNotFoundError,
    NotSupportedError,
    PermissionDeniedError,
)
from ..permissions import needs_sys_admin
from .types import DeclTag, Func, Kind, Raw, Type, decode, kind_of, malformed, tail_size

if TYPE_CHECKING:
    import ctypes
    import os
    from types import TracebackType

    import numpy
    from typing_extensions import Self

    from .._libbpf import CData
    from ..maps import Map
    from .codec import Codec
    from .field import FoundField, MapTypes
    from .index import Index
    from .load import LoadedBtf

    Buffer = bytes | bytearray | memoryview
    StrPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]
    # A type, its id, or its name as C spells it: "u32", "struct event".
    TypeSpec = Type | int | str

# What libbpf answers to input that is no BTF: EPROTO without its magic number, ENODATA
# for an ELF file without a .BTF section, EIO for a file that ends too soon, EINVAL for
# what contradicts itself.
_FORMAT_ERRNOS = {errno.EINVAL, errno.EPROTO, errno.ENODATA, errno.EIO}

_TAGGED = {"struct": Kind.STRUCT, "union": Kind.UNION, "enum": Kind.ENUM}


class _Lent:
    """A struct btf that lives in somebody else's handle, as an object's does."""

    __slots__ = ("_closed", "_owner", "_pointer")

    def __init__(self, pointer: CData, owner: Handle) -> None:
        self._pointer = pointer
        self._owner = owner
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed or self._owner.closed

    def __enter__(self) -> CData:
        if self._closed:
            raise ClosedError("this Btf is closed")
        self._owner.hold()
        return self._pointer

    def __exit__(self, *exception: object) -> None:
        self._owner.release()

    hold = __enter__
    release = __exit__

    def close(self) -> None:
        self._closed = True


class HeldBase:
    """A base, borrowed for as long as the split BTF that points to it lives."""

    __slots__ = ("_held", "pointer")

    def __init__(self, base: Btf) -> None:
        self.pointer: CData = base._handle.hold()
        self._held = [base._handle]

    def release(self) -> None:
        try:
            self._held.pop().release()
        except IndexError:
            # It was released before; or the base's finalizer ran first, in a cycle of
            # garbage, and dropped all borrows.
            pass

    def free(self, btf: CData) -> None:
        """Frees the split BTF, and then releases its base."""
        lib.btf__free(btf)
        self.release()


class Btf:
    """Types in BTF, the BPF Type Format: looked up by name or id, listed, written out as C, turned
    into Python values.

    `Btf.vmlinux()` and the other constructors parse (libbpf's btf__parse and relatives); names are
    looked up by libbpf, and Python objects are made only for the types asked for. Iteration yields
    the types in the order of their ids. A split Btf, that of a module, adds types to those of its
    base: `btf[id]` and `find()` see both, iteration and `len()` its own only.

    It is a context manager. Types, and what they refer to, can be used until it is closed; codecs,
    ctypes classes and NumPy dtypes made from it stay valid.
    """

    __slots__ = (
        "__weakref__",
        "_base",
        "_check_needed",
        "_codecs",
        "_enum_places",
        "_handle",
        "_id",
        "_indexed",
        "_label",
        "_module",
        "_owns_base",
    )

    def __init__(
        self,
        handle: Handle | _Lent,
        label: str,
        *,
        base: Btf | None = None,
        trusted: bool = False,
    ) -> None:
        """Use the class methods."""
        if isinstance(handle, Handle):
            handle.what = "Btf"
        self._handle = handle
        self._label = label
        self._base = base
        self._owns_base = False
        self._module: str | None = None  # whose types these are
        self._id: int | None = None
        # libbpf's dump and alignment take for granted what the kernel checks for its own BTF.
        self._check_needed = not trusted
        self._codecs: dict[object, Any] = {}
        self._enum_places: dict[int, set[tuple[int, int]]] = {}  # of types, by their ids: see format.py
        self._indexed: Index | None = None

    # --- where BTF comes from -----------------------------------------------

    @classmethod
    def vmlinux(cls) -> Btf:
        """The running kernel's types (btf__load_vmlinux_btf).

        They come from /sys/kernel/btf/vmlinux, or from the kernel's image under /boot where that
        file is missing. Each call parses them anew: some milliseconds.

        Raises:
            NotSupportedError: the kernel was built without BTF.
        """
        try:
            handle = create(
                lib.call_btf__load_vmlinux_btf, free=lib.btf__free, operation="load the kernel's BTF"
            )
        except BpfError as error:
            if error.errno not in (errno.ESRCH, errno.ENOENT):
                raise
            raise NotSupportedError(
                errno.EOPNOTSUPP,
                "load the kernel's BTF",
                messages=error.messages,
                hint="There is no /sys/kernel/btf/vmlinux: it takes a kernel of 5.4 or newer, built with "
                "CONFIG_DEBUG_INFO_BTF, and a mounted /sys.",
            ) from error
        return cls(handle, "vmlinux", trusted=True)

    @classmethod
    def from_sys_fs(cls) -> Btf:
        """The same as `vmlinux()`, by the name that aya gives it."""
        return cls.vmlinux()

    @classmethod
    def module(cls, name: str, base: Btf | None = None) -> Btf:
        """The types of a kernel module (btf__load_module_btf), split from the kernel's. Since 5.11.

        Args:
            name: the module's name, "nf_tables".
            base: the kernel's types, loaded when absent.

        Raises:
            NotFoundError: no such module is loaded, or it has no BTF.
        """
        encoded = c_string(name, "a module's name")
        vmlinux = cls.vmlinux() if base is None else base
        operation, label = "load the BTF of", f"module '{name}'"
        try:
            load = lib.call_btf__load_module_btf
            btf = cls._split(load, encoded, base=vmlinux, operation=operation, label=label, trusted=True)
        except BaseException:
            if base is None:
                vmlinux.close()
            raise
        btf._owns_base = base is None
        btf._module = name
        return btf

    @classmethod
    def from_elf(cls, path: StrPath, base: Btf | None = None) -> Btf:
        """The types of an ELF file, from its .BTF section (btf__parse_elf, btf__parse_elf_split).

        Args:
            path: an object file, a kernel module or an uncompressed kernel image.
            base: for a kernel module: the types it is split from.

        Raises:
            NotFoundError: there is no such file.
            FormatError: it is no ELF file, has no BTF, or broken BTF.
        """
        arguments = (lib.call_btf__parse_elf, lib.call_btf__parse_elf_split)
        return cls._parse(arguments, path_bytes(path), _shown(path), base)

    @classmethod
    def from_file(cls, path: StrPath, base: Btf | None = None) -> Btf:
        """The types of a file that holds raw BTF, like those in /sys/kernel/btf, or of an ELF file
        (btf__parse, btf__parse_split).

        Args:
            path: the file.
            base: for split BTF: the types it is split from.

        Raises:
            NotFoundError: there is no such file.
            FormatError: it is neither, has no BTF, or broken BTF.
        """
        arguments = (lib.call_btf__parse, lib.call_btf__parse_split)
        return cls._parse(arguments, path_bytes(path), _shown(path), base)

    @classmethod
    def from_bytes(cls, data: Buffer, base: Btf | None = None) -> Btf:
        """The types in raw BTF (btf__new, btf__new_split). The data is copied.

        Args:
            data: bytes or any other contiguous buffer.
            base: for split BTF: the types it is split from.

        Raises:
            FormatError: it is no BTF, or broken.
        """
        try:
            buffer = ffi.from_buffer(data)
        except TypeError:
            raise TypeError(f"raw BTF is bytes or another buffer, not {type(data).__name__}") from None
        size = len(buffer)
        if size >= 1 << 32:
            raise FormatError(errno.E2BIG, "parse the BTF of", f"{size} bytes")
        return cls._guarded(lib.call_btf__new, lib.call_btf__new_split, (buffer, size), "bytes", base)

    @classmethod
    def from_id(cls, id: int, base: Btf | None = None) -> Btf:
        """The types that the kernel has loaded under an id (btf__load_from_kernel_by_id, ..._split).

        Args:
            id: the kernel's id of the BTF, as in a program's or map's info.
            base: for a module's: the kernel's types.

        Raises:
            NotFoundError: the kernel has no BTF of that id.
            PermissionDeniedError: without CAP_SYS_ADMIN.
            FormatError: it is split BTF, and there is no `base`.
        """
        if not isinstance(id, int):
            raise TypeError(f"a BTF id is an int, not {type(id).__name__}")
        if not 0 <= id < 1 << 32:
            raise OverflowError(f"a BTF id is an unsigned 32-bit number, not {id}")
        operation, label = "load the BTF of", f"id {id}"
        try:
            if base is not None:
                split = lib.call_btf__load_from_kernel_by_id_split
                btf = cls._split(split, id, base=base, operation=operation, label=label)
            else:
                load = lib.call_btf__load_from_kernel_by_id
                btf = cls(create(load, id, free=lib.btf__free, operation=operation, subject=label), label)
        except BpfError as error:
            if isinstance(error, PermissionDeniedError):
                error.hint = needs_sys_admin("Opening BTF by id") or error.hint
            if error.errno != errno.EINVAL:
                raise
            hint = "If it belongs to a module, pass base=Btf.vmlinux()." if base is None else ""
            raise FormatError(errno.EINVAL, operation, label, messages=error.messages, hint=hint) from error
        btf._id = id
        return btf

    @classmethod
    def _from_borrowed(cls, pointer: CData, owner: Handle) -> Btf:
        """A struct btf that belongs to what is in the handle `owner`, and lives as long."""
        return cls(_Lent(pointer, owner), "of an object")

    @classmethod
    def _parse(cls, functions: tuple[Any, Any], path: bytes, shown: str, base: Btf | None) -> Btf:
        whole, split = functions
        arguments: tuple[Any, ...] = (path,) if base is not None else (path, ffi.NULL)
        return cls._guarded(whole, split, arguments, shown, base)

    @classmethod
    def _guarded(
        cls, whole: Any, split: Any, arguments: tuple[Any, ...], label: str, base: Btf | None
    ) -> Btf:
        """Parses, and says FormatError for what libbpf answers to bad input."""
        operation = "parse the BTF of"
        try:
            if base is not None:
                return cls._split(split, *arguments, base=base, operation=operation, label=label)
            return cls(
                create(whole, *arguments, free=lib.btf__free, operation=operation, subject=label), label
            )
        except BpfError as error:
            # libbpf 1.1 says ENOENT for a missing section as for a missing file.
            no_section = any("failed to find '.BTF'" in message for message in error.messages)
            if isinstance(error, FormatError) or not (error.errno in _FORMAT_ERRNOS or no_section):
                raise
            if error.errno != errno.EINVAL:
                hint = "There is no BTF in it: it is no ELF file with a .BTF section, nor raw BTF."
            elif base is None:
                hint = "If it is split BTF, that of a module, pass the `base` it was made for."
            else:
                hint = ""
            number = error.errno or errno.EINVAL
            raise FormatError(number, operation, label, messages=error.messages, hint=hint) from error

    @classmethod
    def _split(
        cls, function: Any, *arguments: Any, base: Btf, operation: str, label: str, trusted: bool = False
    ) -> Btf:
        handle = cls._split_handle(function, *arguments, base=base, operation=operation, label=label)
        return cls(handle, label, base=base, trusted=trusted and not base._check_needed)

    @staticmethod
    def _split_handle(function: Any, *arguments: Any, base: Btf, operation: str, label: str) -> Handle:
        """Split BTF, whose C object points to that of its base: the base is held until this is freed."""
        held = HeldBase(base)
        try:
            return create(
                function, *arguments, held.pointer, free=held.free, operation=operation, subject=label
            )
        except BaseException:
            held.release()
            raise

    # --- lifetime --------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether it was closed, or the object that owns it was."""
        return self._handle.closed

    def close(self) -> None:
        """Frees it (btf__free). Idempotent. What an object owns stays until the object is closed."""
        self._handle.close()
        self._codecs.clear()
        if self._owns_base and self._base is not None:
            self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle is None or isinstance(handle, _Lent) or handle.closed:
            return
        if not sys.is_finalizing():
            import warnings

            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        try:
            return f"<Btf {self._label}: {len(self)} types>"
        except ClosedError:
            return f"<Btf {self._label}: closed>"

    # --- what it says of itself --------------------------------------------------

    @property
    def id(self) -> int | None:
        """The kernel's id, if it was loaded by one."""
        return self._id

    @property
    def base(self) -> Btf | None:
        """What a split Btf is split from."""
        return self._base

    @property
    def pointer_size(self) -> int:
        """Bytes of a pointer on the machine it was made for (btf__pointer_size); 8 for BPF programs."""
        with self._handle as btf:
            return lib.btf__pointer_size(btf) or ffi.sizeof("void *")

    @property
    def byteorder(self) -> str:
        """ "little" or "big": the byte order of the machine it was made for (btf__endianness).
        Types are shown in this machine's; values cannot be decoded in another's."""
        with self._handle as btf:
            return "big" if lib.btf__endianness(btf) == lib.BTF_BIG_ENDIAN else "little"

    def to_bytes(self) -> bytes:
        """The raw BTF, as `from_bytes()` takes it (btf__raw_data)."""
        with self._handle as btf:
            return bytes(self._raw_data(btf))

    def _raw_data(self, btf: CData) -> Any:
        size = ffi.new("uint32_t *")
        data = lib.btf__raw_data(btf, size)
        if not data:
            raise MemoryError
        return ffi.buffer(data, size[0])

    def save(self, path: StrPath) -> None:
        """Writes the raw BTF to a file, as `from_file()` reads it. OSError as from `open`."""
        data = self.to_bytes()
        with open(path, "wb") as file:
            file.write(data)

    def load(self) -> LoadedBtf:
        """Loads it into the kernel, where maps and programs can refer to its types (4.18).

        Raises:
            FormatError: the kernel refused it; `messages` has what it says of which type.
            NotSupportedError: it is split BTF, which only modules can have.
            PermissionDeniedError: without CAP_BPF.

        libbpf: bpf_btf_load.
        """
        from .load import load

        return load(self)

    def distill(self) -> tuple[Btf, Btf]:
        """For a split Btf: the smallest base that it can stand on, and itself split from that one.

        The base has only what this refers to, structs by name and size where that is enough, so that
        the pair can be matched with another kernel's types.

        Returns:
            The new base and the new split Btf; the caller closes both.

        Raises:
            ValueError: this is no split Btf.

        libbpf: btf__distill_base (1.5).
        """
        from .build import distill

        return distill(self)

    def relocate(self, base: Btf) -> Btf:
        """For a split Btf whose base was distilled: the same types, split from a full base.

        Types of the distilled base are matched by name, kind and size with those of the full one,
        another kernel's for example, whose ids they have from then on.

        Args:
            base: the full base.

        Returns:
            A new split Btf; the caller closes it.

        Raises:
            ValueError: this is no split Btf.
            FormatError: a type has no match, or more than one.

        libbpf: btf__relocate (1.5).
        """
        from .build import relocate

        return relocate(self, base)

    # --- types -----------------------------------------------------------------

    def __len__(self) -> int:
        """How many types it has itself: without void, and without those of its base."""
        with self._handle as btf:
            return lib.btf__type_cnt(btf) - self._start(btf)

    def __bool__(self) -> bool:
        return True

    def _start(self, btf: CData) -> int:
        """The id of its first own type."""
        base = lib.btf__base_btf(btf)
        return lib.btf__type_cnt(base) if base else 1

    def __getitem__(self, id: int) -> Type:
        """The type of an id (btf__type_by_id).

        Raises:
            IndexError: there is no such type.
        """
        if not isinstance(id, int):
            raise TypeError(f"a type id is an int, not {type(id).__name__}; find() looks up names")
        with self._handle as btf:
            return decode(self, id, self._raw(btf, id))

    def __iter__(self) -> Iterator[Type]:
        with self._handle as btf:
            start, end = self._start(btf), lib.btf__type_cnt(btf)
        for type_id in range(start, end):
            yield self[type_id]

    def __contains__(self, name: object) -> bool:
        """Whether a type of that name exists: "u32", "struct task_struct"."""
        if isinstance(name, Type):
            return name.btf is self
        if not isinstance(name, str):
            return False
        name, kind = _spelled(name, None)
        return self._find_id(name, kind) >= 0

    def find(self, name: str, kind: Kind | int | str | None = None) -> Type:
        """The first type of a name, in the order of ids (btf__find_by_name, btf__find_by_name_kind).

        C has one name space for struct, union and enum tags and another for everything else, so
        one name may stand for several types, and a kernel may have several of one name and kind.

        Args:
            name: the name, "list_head", or as C spells it, "struct list_head".
            kind: which kind it must be of: a Kind, or its name, "struct", "func".

        Raises:
            NameNotFoundError: there is none. `matches` has names that look like it.
        """
        bare, wanted = _spelled(name, None if kind is None else kind_of(kind))
        type_id = self._find_id(bare, wanted)
        if type_id < 0:
            shown = name if wanted is None or bare != name else f"{wanted.name.lower()} {bare}"
            raise NameNotFoundError("BTF type", shown, self._similar(bare, wanted))
        return self[type_id]

    def _find_id(self, name: str, kind: Kind | None) -> int:
        encoded = name.encode(errors="surrogateescape")
        if not encoded or b"\0" in encoded:
            return -errno.ENOENT
        if name == "void" or kind is Kind.UNKN:
            # libbpf answers void for this name and any kind, and for this kind and any name.
            return 0 if name == "void" and kind in (None, Kind.UNKN) else -errno.ENOENT
        with self._handle as btf:
            if kind is None:
                return lib.btf__find_by_name(btf, encoded)
            found = lib.btf__find_by_name_kind(btf, encoded, kind)
            if found < 0 and kind is Kind.ENUM:
                # C does not tell an enum with 64-bit values from another.
                found = lib.btf__find_by_name_kind(btf, encoded, Kind.ENUM64)
            return found

    def _similar(self, name: str, kind: Kind | None) -> list[str]:
        from .similar import similar_names

        return similar_names(self, name, kind)

    def _strings(self) -> list[bytes]:
        """All names, of types and of their parts, those of the base included."""
        names = self._base._strings() if self._base is not None else []
        with self._handle as btf:
            data = self._raw_data(btf)
            order = ">" if self.byteorder == "big" else "<"
            header_size, _, _, start, size = struct.unpack_from(f"{order}4xIIIII", data)
            names += data[header_size + start : header_size + start + size].split(b"\0")
        return names

    def resolve(self, of: TypeSpec) -> Type:
        """What a type is behind its typedefs and modifiers (btf__resolve_type).

        Raises:
            FormatError: it is void, only declared, or an endless chain of typedefs.
        """
        found = self._type(of)
        with self._handle as btf:
            resolved = lib.btf__resolve_type(btf, found.id)
        if resolved < 0:
            raise FormatError(-resolved, "resolve BTF type", f"'{found}'")
        return self[resolved]

    def size_of(self, of: TypeSpec) -> int:
        """Size of a value of a type in bytes (btf__resolve_size).

        Raises:
            FormatError: it has none, like void, a function or a forward declaration.
        """
        found = self._type(of)
        with self._handle as btf:
            size = lib.btf__resolve_size(btf, found.id)
        if size < 0:
            raise FormatError(-size, "tell the size of BTF type", f"'{found}'")
        return size

    def align_of(self, of: TypeSpec) -> int:
        """Alignment of a type in bytes, as a compiler would have it (btf__align_of).

        Raises:
            FormatError: it has none, like void, a function or a forward declaration.
        """
        found = self._type(of)
        self._check()
        with self._handle as btf:
            alignment = lib.btf__align_of(btf, found.id)
        if alignment <= 0:
            raise FormatError(errno.EINVAL, "tell the alignment of BTF type", f"'{found}'")
        return alignment

    def _type(self, of: TypeSpec) -> Type:
        if isinstance(of, Type):
            if of.btf is not self:
                raise ValueError(f"{of!r} belongs to another Btf")
            return of
        return self.find(of) if isinstance(of, str) else self[of]

    def _raw(self, btf: CData, type_id: int) -> Raw:
        pointer = lib.btf__type_by_id(btf, type_id) if 0 <= type_id < 1 << 32 else ffi.NULL
        if not pointer:
            raise IndexError(f"there is no type [{type_id}]; the last is [{lib.btf__type_cnt(btf) - 1}]")
        if type_id == 0:
            return Raw("", 0, 0, b"")
        info = pointer.info
        tail = tail_size(info)
        return Raw(
            _name(btf, pointer.name_off, type_id),
            info,
            pointer.size,
            ffi.buffer(pointer + 1, tail)[:] if tail else b"",
        )

    def _refer(self, of: Type, type_id: int) -> Type:
        """The type that another one refers to."""
        try:
            return self[type_id]
        except IndexError:
            raise malformed(
                f"type [{of.id}]", f"it refers to type [{type_id}], which does not exist"
            ) from None

    def _names(self, of: Type, offsets: list[int]) -> list[str]:
        """The names of the parts of a type."""
        with self._handle as btf:
            return [_name(btf, offset, of.id) for offset in offsets]

    # --- what tools ask before they choose a program (CO-RE) -----------------------

    def field(self, of: TypeSpec, path: str) -> FoundField:
        """A field of a struct or union, also inside of others: where it is and of what type.

        `kernel.field("struct task_struct", "se.vruntime").type`

        Args:
            of: the struct or union, as type, id or name; typedefs are followed.
            path: names with dots between; members of anonymous structs and unions count as their
                parent's, and "[2]" is an element of an array. Pointers are not followed.

        Raises:
            NameNotFoundError: there is no such type or field; `matches` has names that look like it.
        """
        from .field import find_field

        return find_field(self, self._type(of), path)

    def has_field(self, of: TypeSpec, path: str) -> bool:
        """Whether a struct or union is there and has a field. Arguments as for `field`."""
        try:
            self.field(of, path)
        except NameNotFoundError:
            return False
        return True

    def enum_value(self, name: str, enum: TypeSpec | None = None) -> int:
        """The value of an enumerator.

        Args:
            name: its name, "BPF_MAP_TYPE_ARENA".
            enum: the enum it is in; by default all enums are searched, anonymous ones included.

        Raises:
            NameNotFoundError: there is no such enum or enumerator.
        """
        if enum is None:
            found = self._index.enumerators.get(name)
            if found is None:
                raise NameNotFoundError("enumerator", name, self._index.enumerators)
            return found
        values = dict(getattr(self.resolve(enum), "values", ()))
        if name not in values:
            raise NameNotFoundError(f"enumerator of {self._type(enum)}", name, values)
        return int(values[name])

    def has_enum_value(self, name: str, enum: TypeSpec | None = None) -> bool:
        """Whether there is an enumerator. Arguments as for `enum_value`."""
        try:
            self.enum_value(name, enum)
        except NameNotFoundError:
            return False
        return True

    def function(self, name: str) -> Func:
        """A function, of the kernel or of a program: its `type` has its parameters and what it returns.

        Raises:
            NameNotFoundError: there is none of that name. The kernel's BTF leaves out functions that
                the compiler has inlined everywhere or changed the parameters of.
        """
        found = self.find(name, Kind.FUNC)
        assert isinstance(found, Func)
        return found

    def has_function(self, name: str) -> bool:
        """Whether there is a function of that name."""
        return self._find_id(name, Kind.FUNC) >= 0

    def tags(self, of: TypeSpec, component: int | None = None) -> tuple[str, ...]:
        """The declaration tags, `btf_decl_tag` in C, of a type, function or variable.

        Args:
            of: what is tagged.
            component: which member or parameter of it; None for the whole.
        """
        wanted = -1 if component is None else component
        tags = [self[tag] for tag in self._index.tags.get(self._type(of).id, ())]
        return tuple(tag.name for tag in tags if isinstance(tag, DeclTag) and tag.component_index == wanted)

    def type_of(self, map: Map) -> MapTypes:
        """The types of a map's keys and values, for the Btf of the map's object, or the one that the
        kernel has it by: `Btf.from_id(map.info().btf_id)`.

        Returns:
            `key` and `value`, None where the map says nothing.

        Raises:
            ValueError: the map has its types from elsewhere.
            TypeError: it is no map.
        """
        from .field import map_types

        return map_types(self, map)

    @property
    def _index(self) -> Index:
        found = self._indexed
        if found is None:
            from .index import Index

            self._indexed = found = Index(self)
        return found

    # --- C -----------------------------------------------------------------------

    def c_dump(self, of: TypeSpec | None = None) -> str:
        """C source that declares the types (btf_dump__dump_type).

        Without a type this is a header like bpftool's vmlinux.h: every type, those of the base
        included, in an order that compiles, in an include guard, and marked for CO-RE relocation unless
        BPF_NO_PRESERVE_ACCESS_INDEX is defined. With a type it is that one, behind what it needs.

        Args:
            of: a type, its id, or its name as C spells it, "struct list_head".

        Raises:
            NameNotFoundError: there is no type of that name.
            FormatError: the types contradict themselves, so that C cannot express them.
        """
        from .dump import c_dump, c_header

        return c_header(self) if of is None else c_dump(self, self._type(of))

    def format(self, of: TypeSpec, data: Buffer, *, compact: bool = True, names: bool = True) -> str:
        """A value written as libbpf writes it, like a C initializer (btf_dump__dump_type_data).

        Args:
            of: a type, its id, or its name as C spells it.
            data: its value, a buffer of the size of the type.
            compact: all on one line.
            names: with the names of types and members.

        Raises:
            ValueError: the data is not as long as the type.
            NotSupportedError: the type has no values, like a function; or it has an enum that is not
                aligned, as a packed struct may, for which libbpf writes 0.
        """
        from .format import format_data

        return format_data(self, self._type(of), data, compact=compact, names=names)

    def _check(self) -> None:
        """FormatError for BTF on which libbpf's recursion would not end. Once for each Btf."""
        if self._check_needed:
            from .sanity import check

            check(self)
            self._check_needed = False

    # --- values --------------------------------------------------------------------

    def codec(self, of: TypeSpec) -> Codec:
        """What turns values of a type into bytes and back: see `pylibbpf.btf.Codec`.

        Raises:
            TypeError: the type has no values: void, a function, a section.
            FormatError: its layout contradicts itself.
        """
        from .codec import codec_for

        return codec_for(self, self._type(of).id)

    def to_ctypes(self, of: TypeSpec) -> type[ctypes.Structure] | type[ctypes.Union]:
        """The ctypes class of a struct or union, through typedefs. The same type gives the same class.

        Fields lie where BTF says, whatever the platform would do. Reading one costs what ctypes
        takes; writing one checks it: see `pylibbpf.btf.StructValue`.

        Raises:
            TypeError: it is no struct or union.
            FormatError: its layout contradicts itself.
        """
        from .layout import StructCodec

        found = self._type(of)
        codec = self.codec(found)
        if not isinstance(codec, StructCodec):
            raise TypeError(f"{found} is no struct or union")
        return codec.cls

    def to_dtype(self, of: TypeSpec) -> numpy.dtype[Any]:
        """The NumPy dtype of a type, every offset kept. Needs NumPy, the extra `pylibbpf[numpy]`.

        See `pylibbpf.btf.dtype` for what becomes of each kind.

        Raises:
            ImportError: NumPy is not installed.
            TypeError: the type has no values: void, a function.
        """
        from .dtype import dtype_of

        return dtype_of(self.codec(of))


def _spelled(name: str, kind: Kind | None) -> tuple[str, Kind | None]:
    """The name and kind of a type from how C spells it."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a type must be str, not {type(name).__name__}")
    keyword, space, rest = name.partition(" ")
    if space and keyword in _TAGGED and kind in (None, _TAGGED[keyword]):
        return rest.strip(), _TAGGED[keyword]
    return name, kind


def _name(btf: CData, offset: int, type_id: int) -> str:
    if not offset:
        return ""
    name = lib.btf__name_by_offset(btf, offset)
    if not name:
        raise malformed(f"type [{type_id}]", f"a name lies at {offset}, outside of the strings")
    return text(name)


def _shown(path: StrPath) -> str:
    import os

    return f"'{os.fsdecode(path)}'"
