# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a map is, and what one may change of that before its object is loaded."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from .._native import NULL, call, check, ffi, lib, path_bytes, text
from ..arguments import on_or_off, unsigned
from ..enums import MapFlags, MapType
from ..errors import MapTypeError, NotSupportedError, StateError
from ..state import State
from .arguments import map_type, require_map
from .fd import MapFd, look
from .kinds import class_of
from .layout import Layout, read_layout

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .._libbpf import CData
    from .._native import StrPath
    from ..object import Object
    from ..programs import Program
    from .map import Map
    from .variables import Section


_LIBBPF = (lib.libbpf_major_version(), lib.libbpf_minor_version())


class Configuration(MapFd):
    """The facts of a map: those of an object's map can be set before load, `StateError` after."""

    # Whether it holds global data.
    _internal: bool
    _section: Section | None
    _numa_node: int | None

    @property
    def type(self) -> MapType:
        """Its type. Settable before load, and then this object changes its class with it.

        Not to or from STRUCT_OPS and ARENA, nor for an object's global data.
        """
        return self._map_type

    @type.setter
    def type(self, value: MapType | int) -> None:
        type = map_type(value)
        special = {MapType.STRUCT_OPS, MapType.ARENA}
        if type != self._map_type and special & {type, self._map_type}:
            # libbpf would follow pointers that only those types have.
            raise ValueError(
                f"the type of {self._label} cannot change from {self._map_type.name} to {type.name}"
            )
        self._configure(lib.bpf_map__set_type, type, "type", global_data=False)
        self._map_type = type
        self.__class__ = class_of(type)

    @property
    def key_size(self) -> int:
        """Bytes of a key. Settable before load."""
        return self._fact("key_size", lib.bpf_map__key_size)

    @key_size.setter
    def key_size(self, value: int) -> None:
        self._configure(lib.bpf_map__set_key_size, unsigned(value, "key_size"), "key_size", global_data=False)

    @property
    def value_size(self) -> int:
        """Bytes of a value, on one CPU. Settable before load.

        For an object's global data it resizes the section, and the array that is its last variable.
        """
        return self._fact("value_size", lib.bpf_map__value_size)

    @value_size.setter
    def value_size(self, value: int) -> None:
        if self._map_type == MapType.STRUCT_OPS or self._is_kconfig():
            # libbpf fills memory of the old size.
            raise ValueError(f"the value_size of {self._label} cannot be set")
        if self._internal and _LIBBPF < (1, 3):
            raise NotSupportedError(
                errno.EOPNOTSUPP, "resize", self._label, hint="It needs libbpf 1.3 or newer."
            )
        self._configure(lib.bpf_map__set_value_size, unsigned(value, "value_size"), "value_size")
        if self._section is not None:
            self._section.resized()

    @property
    def max_entries(self) -> int:
        """How many elements it can have; bytes of a ring buffer, pages of an arena. Settable before load."""
        return self._fact("max_entries", lib.bpf_map__max_entries)

    @max_entries.setter
    def max_entries(self, value: int) -> None:
        self._configure(
            lib.bpf_map__set_max_entries, unsigned(value, "max_entries"), "max_entries", global_data=False
        )

    @property
    def flags(self) -> MapFlags:
        """Its flags at creation. Settable before load."""
        return MapFlags(self._fact("flags", lib.bpf_map__map_flags))

    @flags.setter
    def flags(self, value: int) -> None:
        self._configure(lib.bpf_map__set_map_flags, unsigned(value, "flags"), "flags")

    @property
    def map_extra(self) -> int:
        """What its type makes of it: hashes of a bloom filter, address of an arena (5.16). Settable
        before load."""
        return self._fact("map_extra", lib.bpf_map__map_extra)

    @map_extra.setter
    def map_extra(self, value: int) -> None:
        self._configure(lib.bpf_map__set_map_extra, unsigned(value, "map_extra", bits=64), "map_extra")

    @property
    def ifindex(self) -> int:
        """The device that it is offloaded to, or 0. Settable before load."""
        return self._fact("ifindex", lib.bpf_map__ifindex)

    @ifindex.setter
    def ifindex(self, value: int) -> None:
        self._configure(lib.bpf_map__set_ifindex, unsigned(value, "ifindex"), "ifindex")

    @property
    def numa_node(self) -> int | None:
        """Where its memory shall be, with `MapFlags.NUMA_NODE`. Settable before load.

        The kernel does not report it: None for a map from a pin, id or fd.
        """
        return self._numa_node if self._object is None else int(self._get(lib.bpf_map__numa_node))

    @numa_node.setter
    def numa_node(self, value: int) -> None:
        self._configure(lib.bpf_map__set_numa_node, unsigned(value, "numa_node"), "numa_node")

    @property
    def autocreate(self) -> bool:
        """Whether `Object.load` creates it: if not, no program that is loaded may use it. Settable
        before load."""
        return True if self._object is None else bool(self._get(lib.bpf_map__autocreate))

    @autocreate.setter
    def autocreate(self, value: bool) -> None:
        self._configure(lib.bpf_map__set_autocreate, on_or_off(value, "autocreate"), "autocreate")

    @property
    def autoattach(self) -> bool:
        """Whether `Object.attach` attaches it: for struct_ops maps only. Settable before load
        (libbpf 1.5), for those; for others a ValueError."""
        if self._map_type != MapType.STRUCT_OPS or self._object is None:
            return False
        return bool(self._get(lib.bpf_map__autoattach))

    @autoattach.setter
    def autoattach(self, value: bool) -> None:
        obj = self._require_object("autoattach")
        if self._map_type != MapType.STRUCT_OPS and obj._state == State.OPENED:
            raise ValueError(f"{self._label} is of type {self._map_type.name}: only struct_ops maps attach")
        self._configure(lib.bpf_map__set_autoattach, on_or_off(value, "autoattach"), "autoattach")

    @property
    def pin_path(self) -> str | None:
        """Where load will pin it, or reuse what is pinned there, or None. Settable before load.

        Set by `__uint(pinning, LIBBPF_PIN_BY_NAME)` and `Object.open(pin_root=...)` too.
        """
        return None if self._object is None else self._get(_pin_path)

    @pin_path.setter
    def pin_path(self, path: StrPath | None) -> None:
        name = NULL if path is None else path_bytes(path)
        self._configure(lib.bpf_map__set_pin_path, name, "pin_path")

    @property
    def initial_value(self) -> bytes | None:
        """The contents that global data, or a struct_ops map, will have. Settable before load, for
        global data.

        None for every other map. Of global data it is what the section has now, once it is loaded.

        Raises:
            StateError: a struct_ops map after load, or setting it then.
            ValueError: the length is not exactly the map's value_size, or the map takes none.
        """
        obj = self._object
        if obj is None:
            return None
        self._require_open()
        with look(obj):
            if self._map_type == MapType.STRUCT_OPS and obj._state != State.OPENED:
                # By then value_size is the kernel's, and larger than libbpf's memory.
                raise StateError(f"the initial_value of {self._label} is gone after load")
            return _initial_value(self._pointer)

    @initial_value.setter
    def initial_value(self, value: Buffer) -> None:
        with memoryview(value) as view:
            data = view.tobytes()
        present = self.initial_value
        if present is None or self._map_type == MapType.STRUCT_OPS or self._is_kconfig():
            raise ValueError(f"{self._label} takes no initial value")
        if len(data) != len(present):
            raise ValueError(f"{self._label} takes {len(present)} bytes, not {len(data)}")
        self._configure(
            lambda pointer, data: lib.bpf_map__set_initial_value(pointer, data, len(data)),
            data,
            "initial_value",
        )

    @property
    def exclusive_program(self) -> Program | None:
        """The one program that may use it (6.18, libbpf 1.7), or None. Settable before load, to one
        of the same object."""
        obj = self._object
        if obj is None:
            return None
        pointer = self._get(lib.bpf_map__exclusive_program)
        if not pointer:
            return None
        return next((program for program in obj.programs.values() if program._pointer == pointer), None)

    @exclusive_program.setter
    def exclusive_program(self, program: Program) -> None:
        from ..programs import Program

        if not isinstance(program, Program):
            raise TypeError(f"exclusive_program is a program of the object, not {program!r}")
        if program._object is not self._object or self._object is None:
            raise ValueError(f"program '{program.name}' is not of the object of {self._label}")
        self._configure(lib.bpf_map__set_exclusive_program, program._pointer, "exclusive_program")

    def reuse(self, map: Map) -> None:
        """Makes load use another map in this one's place, before it would create it.

        Args:
            map: a map that exists, of the same type, sizes, max_entries and flags.

        Raises:
            StateError: the object is loaded already, or this map is of no object.
            MapTypeError: the maps differ; the message lists every difference.
            TypeError: it is no map.

        libbpf: bpf_map__reuse_fd.
        """
        require_map(map, "what reuse() takes")
        obj = self._require_object("reuse")
        with map._fd_handle() as fd:
            layout = read_layout(fd)
            if layout.type == MapType.STRUCT_OPS:
                raise MapTypeError(f"{map._label} is of type STRUCT_OPS, which cannot be reused")
            with obj._turn():
                obj._require_opened(f"the map that {self._label} reuses")
                differences = self._differences(layout)
                if differences:
                    raise MapTypeError(f"{self._label} cannot reuse {map._label}: {'; '.join(differences)}")
                call(
                    lib.call_bpf_map__reuse_fd, self._pointer, fd,
                    operation="reuse another map for", subject=self._label,
                )  # fmt: skip
                self._reused = True

    def _differences(self, other: Layout) -> list[str]:
        """How a map differs from what this one is configured to be."""
        ours = {
            "type": self._map_type.name,
            "key_size": self.key_size,
            "value_size": self.value_size,
            "max_entries": self.max_entries,
            "flags": _shown_flags(self.flags),
            "map_extra": self.map_extra,
        }
        theirs = {
            "type": other.type.name,
            "key_size": other.key_size,
            "value_size": other.value_size,
            "max_entries": other.max_entries,
            "flags": _shown_flags(other.flags),
            "map_extra": other.map_extra,
        }
        if self._map_type in (MapType.DEVMAP, MapType.DEVMAP_HASH):
            # The kernel adds it by itself (kernel/bpf/devmap.c:dev_map_init_map).
            theirs["flags"] = _shown_flags(other.flags & ~MapFlags.RDONLY_PROG)
        if not ours["max_entries"] and self._map_type == MapType.PERF_EVENT_ARRAY:
            # libbpf fills in the number of CPUs when it creates the map.
            ours["max_entries"] = theirs["max_entries"]
        return [
            f"{what} is {ours[what]} here and {theirs[what]} there"
            for what in ours
            if ours[what] != theirs[what]
        ]

    def _fact(self, name: str, getter: Any) -> int:
        """A fact of the layout: the kernel's of a map that exists, else libbpf's."""
        self._require_open()
        value: int = self._get(getter) if self._layout is None else getattr(self._layout, name)
        return value

    def _get(self, getter: Any) -> Any:
        """A fact that libbpf has of a map of an object."""
        with look(self._require_object("this")):
            return getter(self._pointer)

    def _configure(self, setter: Any, value: Any, what: str, *, global_data: bool = True) -> None:
        obj = self._require_object(what)
        if not global_data and self._internal:
            # libbpf has mapped the section's memory for one element of an array.
            raise ValueError(f"the {what} of {self._label} cannot be set: it holds global data")
        with obj._turn():
            obj._require_opened(f"{what} of {self._label}")
            if self._reused:
                raise StateError(f"{what} of {self._label} is that of the map that it reuses")
            check(setter(self._pointer, value), f"set {what} of", self._label)

    def _is_kconfig(self) -> bool:
        if not self._internal:
            return False
        obj = self._require_object("the value of .kconfig")
        with look(obj) as pointer:
            return bool(lib.bpf_object__find_map_by_name(pointer, b".kconfig") == self._pointer)

    def _require_object(self, what: str) -> Object:
        self._require_open()
        if self._object is None:
            raise StateError(f"{what} is set before load: {self._label} exists already, and is of no Object")
        return self._object


def _pin_path(pointer: CData) -> str | None:
    return text(lib.bpf_map__pin_path(pointer)) or None


def _initial_value(pointer: CData) -> bytes | None:
    size = ffi.new("size_t *")
    data = lib.bpf_map__initial_value(pointer, size)
    return bytes(ffi.buffer(data, size[0])) if data else None


def _shown_flags(flags: int) -> str:
    return str(MapFlags(flags)).removeprefix("MapFlags.") if flags else "none"
