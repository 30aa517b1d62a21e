# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Global variables of an object: typed reads and writes of the sections that hold them.

libbpf makes a map of each section (.data, .bss, .rodata, .kconfig and sections
of the program's own), an array with one element. Before load their contents
are memory of libbpf's, reached under the object's lock and never lent. From
then on they are a mapping of the map's fd of our own (the standard module
mmap), so that nothing that libbpf frees is ever touched.
"""

from __future__ import annotations

import errno
import mmap
import sys
from typing import TYPE_CHECKING, Any

from .._native import ffi, lib
from ..btf.codec import ArrayCodec, Codec, FloatCodec, IntCodec
from ..btf.types import DataSec
from ..enums import MapFlags
from ..errors import BpfError, ClosedError, NameNotFoundError, NotSupportedError, StateError
from .fd import look

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ..btf import Btf
    from ..btf.layout import Field
    from ..btf.types import Type, VarSecInfo
    from ..object import Object
    from .map import Map

_INDEX = bytes(4)


class Variable:
    """A global variable of an object, `obj.variables["target_pid"]`.

    Read and written by `value`, as its BTF type says; before load this sets what
    the program starts with. Variables of .rodata can be written before load only.

    Attributes:
        name: its name.
        size: its bytes.
        offset: where it begins in its section, in bytes.
    """

    __slots__ = ("__weakref__", "_chosen", "_section", "_type_id", "_view", "name", "offset", "size")

    name: str
    size: int
    offset: int

    def __init__(self, section: Section, info: VarSecInfo) -> None:
        self._section = section
        self.name = info.name
        self._describe(info)

    def _describe(self, info: VarSecInfo) -> None:
        self.offset = info.offset
        self.size = info.size
        self._type_id: int = info.type.type_id  # type: ignore[attr-defined]
        self._chosen: Codec | None = None
        # Of a number in mapped memory, the number itself: reading it is one load, with no system call.
        self._view: memoryview[Any] | None = None

    @property
    def section(self) -> str:
        """The section it is in, ".rodata"."""
        return self._section.name

    @property
    def map(self) -> Map:
        """The map that holds the section."""
        return self._section.map

    @property
    def type(self) -> Type:
        """Its type in the object's BTF."""
        return self._section.btf[self._type_id]

    @property
    def read_only(self) -> bool:
        """Whether a write raises StateError now: .kconfig always, .rodata and frozen maps once loaded."""
        return self._section.read_only()

    @property
    def value(self) -> Any:
        """Its value, typed by BTF: int, bool, float, bytes, a list, an instance of a struct's class.

        What comes back owns its memory. `variable["field"] = 1` and `variable[3] = 1` write a part of
        a struct or array, and after load `view()` is the struct or array itself.

        Raises (reading):
            StateError: a .kconfig variable before load; the load failed.
            ClosedError: the object is closed.

        Raises (setting):
            OverflowError, TypeError, ValueError: the value does not fit its type. Nothing is written.
            StateError: it is read-only: in .rodata after load, or in .kconfig.
            ClosedError: the object is closed.
        """
        view = self._view or self._number()
        if view is not None:
            return view[0]
        codec = self._codec()
        mapping = self._section.mapping()
        if mapping is None:
            return codec.decode(self._section.read(self.offset, self.size))
        return codec.decode(mapping, self.offset)

    @value.setter
    def value(self, value: Any) -> None:
        view = self._view or self._number()
        if view is not None and type(value) is int and not view.readonly:
            try:
                view[0] = value
                return
            except ValueError:
                pass  # it does not fit: the codec says so
        codec = self._codec()
        data = codec.encode(value, self.name)
        if view is not None and not view.readonly:
            # One store of the whole number: a program never sees half of it.
            view[0] = codec.decode(data)
        else:
            self._section.write(self.offset, data, self.name)

    def _number(self) -> memoryview[Any] | None:
        """The number itself in mapped memory; None for what is no number, or not mapped."""
        codec = self._codec()
        if type(codec) not in _PLAIN or codec.format == "e":
            return None
        mapping = self._section.mapping()
        if mapping is None:
            return None
        memory = memoryview(mapping)[self.offset : self.offset + self.size]
        view: memoryview[Any] = memory.cast(codec.format)  # type: ignore[call-overload]
        self._view = view
        if self._section.closed:
            self._view = None  # close() came between
        return view

    @property
    def raw(self) -> bytes:
        """Its bytes, as they lie in memory. Settable, with exactly as many."""
        return self._section.read(self.offset, self.size)

    @raw.setter
    def raw(self, value: Buffer) -> None:
        with memoryview(value) as view:
            data = view.tobytes()
        if len(data) != self.size:
            raise ValueError(f"variable '{self.name}' takes {self.size} bytes, not {len(data)}")
        self._section.write(self.offset, data, self.name)

    def __getitem__(self, part: int | str) -> Any:
        """An element of an array by its index, or a field of a struct or union by its name.

        Raises:
            IndexError, NameNotFoundError: there is no such part.
            TypeError: it has no parts of that sort.
        """
        codec, offset, _ = self._part(part)
        if isinstance(codec, Codec):
            return codec.decode(self._section.read(self.offset + offset, codec.size))
        return getattr(self.value, codec.name)

    def __setitem__(self, part: int | str, value: Any) -> None:
        """Writes one element or field, and leaves the others alone: `variable[3] = 7`, also before load.

        Raises:
            IndexError, NameNotFoundError: there is no such part.
            OverflowError, TypeError, ValueError: the value does not fit. Nothing is written.
            StateError: it is read-only.
        """
        codec, offset, where = self._part(part)
        start = self.offset + offset
        if isinstance(codec, Codec):
            data = codec.encode(value, where)
        else:
            before = self._section.read(start, codec.size) if codec.shares else b""
            data = codec.encode(value, where, before)
        self._section.write(start, data, self.name)

    # Else iter() would try variable[0], variable[1] and so on.
    __iter__: Any = None

    def _part(self, part: int | str) -> tuple[Codec | Field, int, str]:
        """What an index or a name stands for, where it begins, and what messages call it."""
        codec = self._codec()
        if isinstance(part, str):
            fields: dict[str, Field] = getattr(codec, "fields", {})
            if part not in fields:
                raise NameNotFoundError(f"field of variable '{self.name}'", part, fields)
            return fields[part], fields[part].offset, f"{self.name}.{part}"
        if not isinstance(codec, ArrayCodec):
            raise TypeError(f"variable '{self.name}' is no array: {codec.name}")
        if not isinstance(part, int):
            raise TypeError(f"an index of variable '{self.name}' is an int, not {type(part).__name__}")
        try:
            index = range(codec.length)[part]
        except IndexError:
            raise IndexError(f"variable '{self.name}' has {codec.length} elements, and no [{part}]") from None
        return codec.element, index * codec.element.size, f"{self.name}[{index}]"

    def view(self) -> Any:
        """The struct, union or array in the memory that it shares with the programs, after load.

        Its fields and elements are read from there and written to there, with no system call. It
        stays valid after the object is closed.

        Raises:
            TypeError: it is neither a struct or union nor an array of anything but char.
            StateError: the object is not loaded, or the variable is read-only.
            NotSupportedError: as for `memory`.
        """
        codec = self._codec()
        if not hasattr(codec, "cls"):
            raise TypeError(f"variable '{self.name}' is no struct, union or array: {codec.name}")
        memory = self.memory()
        if memory.readonly:
            raise StateError(f"variable '{self.name}' is in {self.section}, which is read-only; use value")
        return codec.view(memory)

    def memory(self) -> memoryview:
        """Its bytes in the mapping that it shares with the programs, after load.

        The view stays valid after the object is closed. It is read-only for .rodata.

        Raises:
            StateError: the object is not loaded.
            NotSupportedError: the kernel does not map this section: it holds static variables only,
                or locks and other kernel fields.
        """
        mapping = self._section.mapping()
        if mapping is None:
            self._section.require_loaded(f"the memory of variable '{self.name}'")
            raise NotSupportedError(
                errno.EOPNOTSUPP,
                "map the memory of variable",
                f"'{self.name}'",
                hint="Its section holds static variables only, or fields of the kernel's: use value.",
            )
        return memoryview(mapping)[self.offset : self.offset + self.size]

    def _codec(self) -> Codec:
        codec = self._chosen
        if codec is None:
            codec = self._section.btf.codec(self._type_id)
            if codec.size != self.size:
                from ..btf.codec import bytes_codec

                codec = bytes_codec(self.size)
            self._chosen = codec
        return codec

    def __repr__(self) -> str:
        try:
            shown = f"{self.type} {self.name}"
        except ClosedError:
            shown = f"{self.name}, closed"
        return f"<Variable {shown}, {self.section}>"


_PLAIN = (IntCodec, FloatCodec)


class Section:
    """The memory of a map that holds global variables.

    Attributes:
        map: the map.
        name: the section's name, ".bss".
        closed: whether its map, or the object, was closed.
    """

    __slots__ = ("_mapping", "_read_only", "_type_id", "_unmappable", "_variables", "closed", "map", "name")

    def __init__(self, map: Map, type: DataSec) -> None:
        self.map = map
        self.name = type.name
        self.closed = False
        self._type_id = type.id
        self._mapping: mmap.mmap | None = None
        # What the kernel said to the attempt to map it.
        self._read_only = False
        self._unmappable = False
        self._variables = [Variable(self, info) for info in type.variables]

    @property
    def variables(self) -> list[Variable]:
        """The variables in it, in the order of BTF."""
        return self._variables

    @property
    def btf(self) -> Btf:
        """The object's types."""
        btf = self._object.btf
        assert btf is not None
        return btf

    @property
    def _object(self) -> Object:
        self._require_open()
        obj = self.map._object
        assert obj is not None
        return obj

    def _require_open(self) -> None:
        if self.closed:
            raise ClosedError(f"section {self.name} is closed")

    # --- before load: libbpf's memory -----------------------------------------------

    def _initial(self, offset: int, size: int) -> Any:
        """A part of the section as libbpf prepares it. Valid under the object's lock and borrow."""
        total = ffi.new("size_t *")
        memory = lib.bpf_map__initial_value(self.map._pointer, total)
        if not memory or offset + size > total[0]:
            raise StateError(f"section {self.name} has no memory at {offset}: it was resized")
        return ffi.buffer(ffi.cast("char *", memory) + offset, size)

    def _is_initial(self, obj: Object) -> bool:
        """Whether the map does not exist yet. Raises StateError if it never will."""
        from ..state import State

        if obj._state == State.OPENED and not self.map._reused:
            return True
        self.map._require_created(obj)
        return False

    # --- both ---------------------------------------------------------------------------

    def read(self, offset: int, size: int) -> bytes:
        """A part of the section."""
        obj = self._object
        mapping = self._mapping
        if mapping is None:
            with look(obj):
                if self._is_initial(obj):
                    if self._is_kconfig:
                        raise StateError("libbpf fills in .kconfig when the object is loaded")
                    return bytes(self._initial(offset, size))
            mapping = self.mapping()
        if mapping is not None:
            return mapping[offset : offset + size]
        return self._through_map()[offset : offset + size]

    def write(self, offset: int, data: bytes, name: str) -> None:
        """Writes a part of the section."""
        obj = self._object
        if self._is_kconfig:
            raise StateError(f"variable '{name}' is in .kconfig: set it with Object.open(..., kconfig=...)")
        mapping = self._mapping
        if mapping is None:
            with look(obj):
                if self._is_initial(obj):
                    self._initial(offset, len(data))[0 : len(data)] = data
                    return
            mapping = self.mapping()
        if self._read_only:
            raise StateError(
                f"variable '{name}' is in {self.name}, which is read-only once the object is loaded"
            )
        if mapping is not None:
            mapping[offset : offset + len(data)] = data
            return
        contents = bytearray(self._through_map())
        contents[offset : offset + len(data)] = data
        try:
            self.map.put_bytes(_INDEX, contents)
        except BpfError as error:
            if error.errno != errno.EPERM:
                raise
            raise StateError(f"variable '{name}' is in {self.name}, which is frozen") from error

    def _through_map(self) -> bytes:
        """The whole section, by system call: where the kernel does not map it."""
        contents = self.map.lookup_bytes(_INDEX)
        assert contents is not None
        return contents

    def read_only(self) -> bool:
        """Whether a write raises StateError now."""
        self._require_open()
        self.mapping()
        return self._read_only or self._is_kconfig

    @property
    def _is_kconfig(self) -> bool:
        return self.name == ".kconfig"

    def require_loaded(self, what: str) -> None:
        """Raises StateError before load."""
        obj = self._object
        with look(obj):
            if self._is_initial(obj):
                raise StateError(f"{what} exists once the object is loaded")

    # --- after load: our mapping ------------------------------------------------------------

    def mapping(self) -> mmap.mmap | None:
        """The section mapped into this process; None before load, and where the kernel does not map it."""
        mapping = self._mapping
        if mapping is not None or self._unmappable:
            return mapping
        obj = self._object
        with look(obj):
            if self._is_initial(obj):
                return None
            mapping = self._map_it()
            if not self.closed:  # close() takes no lock
                self._mapping = mapping
        return mapping

    def _map_it(self) -> mmap.mmap | None:
        pointer = self.map._pointer
        fd, size = lib.bpf_map__fd(pointer), lib.bpf_map__value_size(pointer)
        options: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}
        try:
            try:
                return mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, **options)
            except PermissionError:
                # Frozen, or read-only for programs: kernel/bpf/syscall.c:bpf_map_mmap.
                mapping = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ, **options)
                self._read_only = True
                return mapping
        except OSError:
            # No BPF_F_MMAPABLE (libbpf leaves it out for sections of static variables only), or fields
            # that only the kernel may touch.
            self._unmappable = True
            self._read_only = bool(lib.bpf_map__map_flags(pointer) & MapFlags.RDONLY_PROG)
            return None

    # --- changes ----------------------------------------------------------------------------

    def resized(self) -> None:
        """The map's value_size was set: libbpf has made the last variable, an array, longer or shorter."""
        with self._object._turn():
            type = self.btf[self._type_id]
            assert isinstance(type, DataSec)
            for variable, info in zip(self._variables, type.variables, strict=False):
                variable._describe(info)

    def close(self) -> None:
        """Drops the mapping. Views of it that others hold stay valid."""
        self.closed = True
        self._mapping = None
        for variable in self._variables:
            variable._view = None


def variables_of(obj: Object) -> dict[str, Variable]:
    """All global variables of an object by name: those of the programs' sections that libbpf makes maps of.

    Of static variables of the same name in several files that were linked, the first is found.
    """
    found: dict[str, Variable] = {}
    btf = obj.btf
    if btf is None:
        return found
    for map in obj.maps.values():
        if map._internal and map._type_ids[1]:
            type = btf[map._type_ids[1]]
            if isinstance(type, DataSec):
                map._section = Section(map, type)
                for variable in map._section.variables:
                    found.setdefault(variable.name, variable)
    return found
