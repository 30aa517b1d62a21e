# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Map: what every kind of map has in common.

A map either belongs to an `Object`, and is then configured through libbpf's
`struct bpf_map` while the object is open, or stands by itself on an fd (made by
`Map.create`, or from a pin, an id or an fd). In both cases system calls use an
fd of its own: a duplicate, for a map of an object, so that `close()` means the
same.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
from typing import TYPE_CHECKING, ClassVar

from .._native import NULL, Handle, call, lib, text
from ..arguments import unknown_attribute, unsigned
from ..enums import MapFlags, MapType
from ..errors import MapTypeError, NotFoundError, StateError
from ..fds import open_by_id
from ..pins import Pinnable, open_pinned, require_kind
from .arguments import map_type, require_map
from .codecs import agreed_size, codecs_of, fitting, given_codecs
from .configuration import Configuration
from .kinds import class_of, types_of
from .layout import Layout, read_layout
from .raw import RawElements

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .._libbpf import CData
    from .._native import StrPath
    from ..btf import Btf
    from ..btf.btf import TypeSpec
    from ..btf.codec import Codec
    from ..object import Object
    from .codecs import Codecs
    from .info import MapInfo


class Map(Configuration, RawElements, Pinnable):
    """A BPF map of any kind. The kinds that pylibbpf knows are subclasses, with what each can do.

    Maps come from an `Object`, from `create`, `from_pin`, `from_id` or `from_fd`.
    A context manager. Two maps are equal only if they are the same object, and a
    map is always true.

    The methods `lookup_bytes`, `put_bytes`, `delete_bytes` and `next_key_bytes`
    are the system calls with sizes checked; they work for types that are newer
    than this package, as far as the kernel lets them.
    """

    # What the subclasses say of themselves: the type that `create` makes, and the sizes and flags
    # where the type leaves no choice.
    _type: ClassVar[MapType | None] = None
    _key_size: ClassVar[int | None] = None
    _value_size: ClassVar[int | None] = None
    _create_flags: ClassVar[MapFlags] = MapFlags(0)
    _pin_word = "map"

    # The fd's handle once the codecs are chosen: what element access asks for.
    _ready: Handle | None
    _glue_maps: list[CData]
    _codecs: Codecs | None
    _type_ids: tuple[int, int]
    # An fd that libbpf remembers by number only.
    _kept: Handle | None

    def __init__(self) -> None:
        raise TypeError("maps come from an Object, or from create, from_pin, from_id and from_fd")

    # --- where they come from -----------------------------------------------------

    @classmethod
    def _of_object(cls, obj: Object, pointer: CData) -> Map:
        """A map of an object, in the class of its kind. Under the object's lock and borrow."""
        type = MapType(lib.bpf_map__type(pointer))
        self = object.__new__(class_of(type))
        self._name = text(lib.bpf_map__name(pointer))
        self._object = obj
        self._pointer = pointer
        self._set_up(type, None)
        # Read now: when libbpf reuses another map it replaces them with ids of that map's BTF.
        self._type_ids = (lib.bpf_map__btf_key_type_id(pointer), lib.bpf_map__btf_value_type_id(pointer))
        self._internal = bool(lib.bpf_map__is_internal(pointer))
        return self

    @classmethod
    def _of_fd(cls, handle: Handle, name: str = "", codecs: Codecs | None = None) -> Self:
        """A map on an fd, in the class of its kind, after a check that this one includes it."""
        try:
            with handle as fd:
                layout = read_layout(fd)
            self = object.__new__(cls._class_for(layout))
            self._name = name or layout.name
            self._object = None
            self._pointer = NULL
            self._set_up(layout.type, handle)
            self._layout = layout
            self._type_ids = (layout.key_type_id, layout.value_type_id)
            self._codecs = fitting(codecs, layout)
            self._internal = False
            handle.what = self._label.removeprefix("this ")
        except BaseException:
            handle.close()
            raise
        return self

    def _set_up(self, type: MapType, handle: Handle | None) -> None:
        self._map_type = type
        self._fd = handle
        self._ready = None
        self._glue_maps = []
        self._layout = None
        self._closed = False
        self._reused = False
        self._numa_node = None
        self._codecs = None
        self._section = None
        self._kept = None

    @classmethod
    def _class_for(cls, layout: Layout) -> type[Self]:
        kind = class_of(layout.type)
        if not issubclass(kind, cls):
            shown = f"'{layout.name}'" if layout.name else f"{layout.id}"
            raise MapTypeError(
                f"map {shown} is of class {kind.__name__} (type {layout.type.name}), not {cls.__name__}"
            )
        return kind

    @classmethod
    def create(
        cls,
        type: MapType | int | None = None,
        *,
        name: str = "",
        key_size: int | None = None,
        value_size: int | None = None,
        max_entries: int | None = None,
        flags: int = 0,
        map_extra: int = 0,
        numa_node: int | None = None,
        ifindex: int = 0,
        inner_map: Map | None = None,
        btf: Btf | None = None,
        key_type: TypeSpec | None = None,
        value_type: TypeSpec | None = None,
        token_fd: int = 0,
    ) -> Self:
        """A new map, which lasts as long as it is open, pinned, or used by a program.

        `HashMap.create(key_size=4, value_size=8, max_entries=100)` and
        `Map.create(MapType.HASH, ...)` do the same.

        Args:
            type: its type; by default the one that the class stands for.
            name: 15 characters at most: letters, digits, "_" and ".".
            key_size, value_size: bytes; by default those of the types, or what the
                type of map demands.
            max_entries: how many elements it can have; bytes, for a ring buffer; pages,
                for an arena. By default the number of possible CPUs for types with one
                element per CPU, and 0 for local storage.
            flags: `enums.MapFlags`; the ones that a type always needs are added.
            map_extra: hashes of a bloom filter, address of an arena.
            numa_node: where its memory shall be.
            ifindex: the device to offload it to.
            inner_map: for a map of maps: one like those that it shall hold.
            btf: where `key_type` and `value_type` are looked up.
            key_type, value_type: BTF types of its keys and values, as type, id or name
                ("u32", "struct event"). They type it in this process; the kernel does
                not learn of them.
            token_fd: a BPF token (6.9).

        Raises:
            MapTypeError: the type is one of another class.
            ValueError, OverflowError: a name, size or number that cannot be.
            PermissionDeniedError: without CAP_BPF.
            BpfError: the kernel refused; the hint says what may be wrong.

        libbpf: bpf_map_create.
        """
        from .creation import create_map, storage_types

        type = cls._creatable(type)
        kind = class_of(type)
        codecs = given_codecs(btf, key_type, value_type)
        key_codec, value_codec = codecs or (None, None)
        key_size = agreed_size(key_size, key_codec, kind._key_size, "key")
        value_size = agreed_size(value_size, value_codec, kind._value_size, "value")
        if max_entries is None:
            max_entries = kind._default_max_entries()
        if inner_map is not None:
            require_map(inner_map, "inner_map")
        with contextlib.ExitStack() as stack:
            inner_fd = 0 if inner_map is None else stack.enter_context(inner_map._fd_handle())
            types = storage_types(type, value_size)
            if types is not None:
                stack.enter_context(types)
            handle = create_map(
                type, name, key_size, value_size, max_entries,
                flags=unsigned(flags, "flags") | kind._create_flags, map_extra=map_extra,
                numa_node=numa_node, ifindex=ifindex, inner_fd=inner_fd, token_fd=token_fd, types=types,
            )  # fmt: skip
        # Where no types were given it has none: local storage's BTF says only how long a value is.
        self = cls._of_fd(handle, name, codecs or (None, None))
        self._numa_node = numa_node
        return self

    @classmethod
    def _creatable(cls, type: MapType | int | None) -> MapType:
        if type is None:
            if cls._type is None:
                raise TypeError("Map.create needs the type of the map")
            return cls._type
        type = map_type(type)
        if not issubclass(class_of(type), cls):
            known = " or ".join(known.name for known in types_of(cls))
            raise MapTypeError(f"{cls.__name__} is {known}, not {type.name}")
        return type

    @classmethod
    def _default_max_entries(cls) -> int:
        raise TypeError("create needs max_entries")

    @classmethod
    def from_pin(
        cls,
        path: StrPath,
        *,
        btf: Btf | None = None,
        key_type: TypeSpec | None = None,
        value_type: TypeSpec | None = None,
    ) -> Self:
        """The map pinned at a path. `unpin()` will remove that pin.

        Args:
            path: the pin.
            btf, key_type, value_type: the types of its keys and values, as for `create`; by default those
                that the kernel has of it, which takes CAP_SYS_ADMIN at the first access. What is
                not given then is bytes.

        Raises:
            NotFoundError: there is no such pin.
            TypeError: a program or a link is pinned there.
            ValueError: a type is not of the map's size.
            MapTypeError: the map is of another kind than the class; the message names both.

        libbpf: bpf_obj_get.
        """
        codecs = given_codecs(btf, key_type, value_type)
        self = cls._of_fd(open_pinned(path, "map", "map"), codecs=codecs)
        self._pinned_path = os.fsdecode(path)
        return self

    @classmethod
    def from_id(
        cls,
        id: int,
        *,
        btf: Btf | None = None,
        key_type: TypeSpec | None = None,
        value_type: TypeSpec | None = None,
    ) -> Self:
        """The map of that id. Needs CAP_SYS_ADMIN (BPF_MAP_GET_FD_BY_ID, 4.13).

        Args:
            id: the kernel's id.
            btf, key_type, value_type: the types of its keys and values, as for `create`; by default those
                that the kernel has of it, which takes CAP_SYS_ADMIN at the first access. What is
                not given then is bytes.

        Raises:
            NotFoundError: there is none.
            ValueError: a type is not of the map's size.
            MapTypeError: the map is of another kind than the class; the message names both.

        libbpf: bpf_map_get_fd_by_id.
        """
        codecs = given_codecs(btf, key_type, value_type)
        id = unsigned(id, "the id of a map")
        return cls._of_fd(open_by_id(lib.call_bpf_map_get_fd_by_id, id, "map"), codecs=codecs)

    @classmethod
    def from_fd(
        cls,
        fd: int,
        *,
        btf: Btf | None = None,
        key_type: TypeSpec | None = None,
        value_type: TypeSpec | None = None,
    ) -> Self:
        """The map of an fd, which is duplicated: the caller keeps its own.

        Args:
            fd: the fd.
            btf, key_type, value_type: the types of its keys and values, as for `create`; by default those
                that the kernel has of it, which takes CAP_SYS_ADMIN at the first access. What is
                not given then is bytes.

        Raises:
            TypeError: the fd is of something else.
            ValueError: a type is not of the map's size.
            MapTypeError: the map is of another kind than the class; the message names both.
        """
        require_kind(unsigned(fd, "an fd", bits=31), "map", f"fd {fd}")
        codecs = given_codecs(btf, key_type, value_type)
        handle = Handle(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3), os.close, what="map")
        return cls._of_fd(handle, codecs=codecs)

    def info(self) -> MapInfo:
        """What the kernel says of it now. Needs 4.13 (BPF_OBJ_GET_INFO_BY_FD)."""
        from .info import map_info

        with self._fd_handle() as fd:
            return map_info(fd)

    def freeze(self) -> None:
        """Makes the map read-only for system calls and mappings, for ever. Programs can still write it (5.2).

        Raises:
            BpfError: EPERM or EBUSY if it is frozen already; EBUSY if somebody has mapped it
                writable, as libbpf does with .data and .bss.
            NotSupportedError: this kind cannot be frozen.

        libbpf: bpf_map_freeze.
        """
        with self._fd_handle() as fd:
            result = lib.bpf_map_freeze(fd)
        if result < 0:
            hint = {
                -errno.EBUSY: "It is frozen already, or mapped writable.",
                -errno.EPERM: "It is frozen already, or open read-only.",
            }.get(result, "")
            self._fail(result, "freeze", hint=hint)

    # --- pins -------------------------------------------------------------------------

    @property
    def pinned_path(self) -> str | None:
        """Where this is pinned, as far as this object and libbpf know; None if it is not."""
        if self._pinned_path is None and self._object is not None and not self.closed:
            pinned: str | None = self._get(_pinned_path)
            return pinned
        return self._pinned_path

    def pin(self, path: StrPath) -> None:
        """Pins it to a path on a bpffs, where it outlives this process.

        Args:
            path: a name that does not exist yet, in a directory that does.

        Raises:
            ExistsError: the path exists. Nothing is ever overwritten.
            NotFoundError: the directory does not exist.
            BpfError: the path is not on a bpffs.
            StateError: it does not exist yet, or is pinned elsewhere by this object.

        libbpf: bpf_obj_pin (BPF_OBJ_PIN).
        """
        pinned = self.pinned_path
        if pinned is not None:
            raise StateError(f"{self._label} is pinned at '{pinned}' already; unpin it first")
        super().pin(path)

    def unpin(self) -> None:
        """Removes the pin that this object or its load made, or that it was opened from, if any."""
        if self._pinned_path is not None or self.pinned_path is None:
            super().unpin()
            return
        obj = self._require_object("the pin")
        with obj._turn():
            try:
                call(
                    lib.call_bpf_map__unpin, self._pointer, NULL,
                    operation="unpin", subject=self._label,
                )  # fmt: skip
            except NotFoundError:
                pass

    def _chosen_codecs(self) -> tuple[Codec, Codec]:
        """Codecs of keys and of values on one CPU."""
        return codecs_of(self)

    # --- end --------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends this map's handle, and its variables if it holds global data. Idempotent.

        A map of an object stays in the kernel until the object is closed; one that is
        pinned, or used by a program, lives on.
        """
        self._closed = True
        for handle in (self._fd, self._kept):
            if handle is not None:
                handle.close()
        if self._section is not None:
            self._section.close()

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            # Else a misspelt `map.max_entires = 9` would do nothing, and say nothing.
            raise AttributeError(unknown_attribute(type(self), name))
        super().__setattr__(name, value)

    def __enter__(self) -> Self:
        self._require_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # The handle frees itself; this only says that close() was forgotten.
        handle: Handle | None = getattr(self, "_fd", None)
        if getattr(self, "_object", None) is not None or handle is None or handle.closed or handle.forked:
            return
        if not sys.is_finalizing():
            import warnings

            warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} '{self.name}', {self._map_type.name}{', closed' if self.closed else ''}>"
        )


def _pinned_path(pointer: CData) -> str | None:
    return text(lib.bpf_map__pin_path(pointer)) if lib.bpf_map__is_pinned(pointer) else None
