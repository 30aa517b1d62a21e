# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BtfBuilder: BTF that is made, added to, deduplicated and split."""

from __future__ import annotations

import contextlib
import errno
from _thread import RLock
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .._native import Handle, c_string, call, check, create, ffi, lib
from ..errors import BpfError, FormatError, StateError
from .btf import Btf, HeldBase
from .types import Kind, Linkage, Type

if TYPE_CHECKING:
    from .._libbpf import CData
    from .btf import TypeSpec

# include/uapi/linux/btf.h: BTF_INT_SIGNED and its siblings, BTF_MAX_TYPE and BTF_MAX_VLEN.
_SIGNED, _CHAR, _BOOL = 1, 2, 4
_MAX_TYPE = 0x000FFFFF
_MAX_PARTS = 0xFFFF


class _Exclusive:
    """A handle that one thread at a time may use: what a builder adds can move all that is there."""

    __slots__ = ("_depth", "_handle", "_lock")

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._lock = RLock()
        # How often the thread that has the lock has borrowed.
        self._depth = 0

    @property
    def closed(self) -> bool:
        return self._handle.closed

    @property
    def lent(self) -> bool:
        """Whether somebody has it for longer than a call: split BTF that this is the base of."""
        return len(self._handle._borrows) > self._depth

    def __enter__(self) -> CData:
        # In a child the lock may be held by a thread that is not there any more.
        self._handle.require_own_process()
        self._lock.acquire()
        try:
            pointer: CData = self._handle.hold()
            self._depth += 1
        except BaseException:
            self._lock.release()
            raise
        return pointer

    def __exit__(self, *exception: object) -> None:
        try:
            self._depth -= 1
            self._handle.release()
        finally:
            self._lock.release()

    def hold(self) -> CData:
        """Borrows until `release()`, and does not keep other threads out."""
        pointer: CData = self._handle.hold()
        return pointer

    def release(self) -> None:
        self._handle.release()

    def close(self) -> None:
        self._handle.close()


class BtfBuilder(Btf):
    """A Btf that types can be added to::

        with BtfBuilder() as types:
            u32 = types.add_int("unsigned int", 4)
            types.add_struct("point", 8, [("x", u32, 0), ("y", u32, 32)])
            types.save("point.btf")

    What a type refers to is given as a `Type` of this Btf or of its base, as an id, or as a name;
    0 is void. An id may be that of a type still to come: `next_id`. Each `add_` method returns the new
    type. The class methods of Btf, such as `BtfBuilder.from_elf(path)`, read what is to be added to.

    Adding, `dedup` and `add_btf` change what other threads read, and keep them out meanwhile. They are
    refused while this is the base of a split Btf.

    Args:
        base: make split BTF, which adds to these types.

    libbpf: btf__new_empty, btf__new_empty_split.
    """

    __slots__ = ()

    _handle: _Exclusive  # type: ignore[assignment]

    def __init__(
        self,
        handle: Handle | None = None,
        label: str = "being built",
        *,
        base: Btf | None = None,
        trusted: bool = False,
    ) -> None:
        if handle is None:
            if base is None:
                handle = create(lib.call_btf__new_empty, free=lib.btf__free, operation="make", subject="BTF")
            else:
                new = lib.call_btf__new_empty_split
                handle = self._split_handle(new, base=base, operation="make split", label="BTF")
        super().__init__(handle, label, base=base, trusted=trusted)
        self._handle = _Exclusive(handle)

    @property
    def next_id(self) -> int:
        """The id that the next new type will have."""
        with self._handle as btf:
            return lib.btf__type_cnt(btf)

    # --- one type ---------------------------------------------------------------------

    def add_int(
        self, name: str, size: int, *, signed: bool = False, char: bool = False, bool: bool = False
    ) -> Type:
        """An integer of 1, 2, 4, 8 or 16 bytes, of one encoding at most (btf__add_int)."""
        _one_of(size, (1, 2, 4, 8, 16), "an integer")
        if signed + char + bool > 1:
            raise ValueError("an integer is signed, a char or a bool, and not two of them")
        encoding = _SIGNED * signed | _CHAR * char | _BOOL * bool
        return self._add("integer", lib.btf__add_int, _name(name), size, encoding)

    def add_float(self, name: str, size: int) -> Type:
        """A floating point number of 2, 4, 8, 12 or 16 bytes (btf__add_float; Linux 5.13)."""
        _one_of(size, (2, 4, 8, 12, 16), "a floating point number")
        return self._add("float", lib.btf__add_float, _name(name), size)

    def add_ptr(self, to: TypeSpec) -> Type:
        """A pointer (btf__add_ptr)."""
        return self._add("pointer", lib.btf__add_ptr, self._reference(to))

    def add_array(self, element: TypeSpec, length: int, index: TypeSpec | None = None) -> Type:
        """An array. Its index is of type `index`, or of the first integer there is (btf__add_array)."""
        if index is None:
            index = next((found for found in self if found.kind == Kind.INT), 0)
        return self._add(
            "array", lib.btf__add_array, self._reference(index), self._reference(element), _word(length)
        )

    def add_struct(self, name: str, size: int, members: Members = ()) -> Type:
        """A struct (btf__add_struct, btf__add_field).

        Args:
            name: its name; "" for none.
            size: its bytes.
            members: (name, type, offset in bits) of each, and the width in bits for a bitfield.
        """
        return self._add_composite(lib.btf__add_struct, name, size, members)

    def add_union(self, name: str, size: int, members: Members = ()) -> Type:
        """A union (btf__add_union, btf__add_field). Members are (name, type), and (name, type, 0, width)."""
        return self._add_composite(lib.btf__add_union, name, size, members)

    def _add_composite(self, function: Any, name: str, size: int, members: Members) -> Type:
        given: list[Any] = list(members)
        for member in given:
            if not isinstance(member, (tuple, list)) or not 2 <= len(member) <= 4:
                raise TypeError(f"a member is (name, type, offset in bits, width in bits), not {member!r}")
        fields = [
            (_name(member[0]), self._reference(member[1]), *(_word(number) for number in member[2:]))
            for member in given
        ]
        fields = [(*field, 0, 0)[:4] for field in fields]
        _few(fields, "members")
        return self._add_whole(
            "struct or union", function, (_name(name), _word(size)), lib.btf__add_field, fields
        )

    def add_enum(
        self, name: str, values: Mapping[str, int], *, size: int = 4, signed: bool | None = None
    ) -> Type:
        """An enum; one of 8 bytes is of kind ENUM64 (btf__add_enum, btf__add_enum64; the latter Linux 6.0).

        Args:
            name: its name; "" for none.
            values: the enumerators.
            size: 1, 2, 4 or 8 bytes.
            signed: for 8 bytes: whether values have a sign; by default, whether one is negative. Of
                smaller enums BTF knows it from their values.
        """
        _one_of(size, (1, 2, 4, 8), "an enum")
        if not isinstance(values, Mapping):
            raise TypeError(f"enumerators are a mapping of names to ints, not {type(values).__name__}")
        for enumerator, value in values.items():
            if not isinstance(value, int):
                raise TypeError(f"{enumerator} is an int, not {type(value).__name__}")
        negative = any(value < 0 for value in values.values())
        bits = 8 * size
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed or negative else (0, (1 << bits) - 1)
        for enumerator, value in values.items():
            if not low <= value <= high:
                raise OverflowError(
                    f"{enumerator} = {value} does not fit an enum of {size} bytes ({low} to {high})"
                )
        listed = [(_name(enumerator), value) for enumerator, value in values.items()]
        _few(listed, "enumerators")
        if size != 8:
            return self._add_whole(
                "enum", lib.btf__add_enum, (_name(name), size), lib.btf__add_enum_value, listed
            )
        sign = negative if signed is None else signed
        return self._add_whole(
            "enum",
            lib.btf__add_enum64,
            (_name(name), size, sign),
            lib.btf__add_enum64_value,
            [(name, value & (1 << 64) - 1) for name, value in listed],
        )

    def add_fwd(self, name: str, kind: str = "struct") -> Type:
        """A "struct", "union" or "enum" that is declared only (btf__add_fwd)."""
        kinds = {"struct": lib.BTF_FWD_STRUCT, "union": lib.BTF_FWD_UNION, "enum": lib.BTF_FWD_ENUM}
        if kind not in kinds:
            raise ValueError(f"{kind!r} cannot be declared only: there are {', '.join(kinds)}")
        return self._add("declaration", lib.btf__add_fwd, _name(name), kinds[kind])

    def add_typedef(self, name: str, of: TypeSpec) -> Type:
        """A typedef (btf__add_typedef)."""
        return self._add("typedef", lib.btf__add_typedef, _name(name), self._reference(of))

    def add_volatile(self, of: TypeSpec) -> Type:
        """The modifier volatile (btf__add_volatile)."""
        return self._add("modifier", lib.btf__add_volatile, self._reference(of))

    def add_const(self, of: TypeSpec) -> Type:
        """The modifier const (btf__add_const)."""
        return self._add("modifier", lib.btf__add_const, self._reference(of))

    def add_restrict(self, of: TypeSpec) -> Type:
        """The modifier restrict, of a pointer (btf__add_restrict)."""
        return self._add("modifier", lib.btf__add_restrict, self._reference(of))

    def add_type_tag(self, tag: str, of: TypeSpec) -> Type:
        """A `btf_type_tag`, which a pointer refers to (btf__add_type_tag; Linux 5.17)."""
        return self._add("tag", lib.btf__add_type_tag, _name(tag), self._reference(of))

    def add_decl_tag(self, tag: str, of: TypeSpec, component: int | None = None) -> Type:
        """A `btf_decl_tag` of a type, function or variable, or of a member or parameter by its number
        (btf__add_decl_tag; Linux 5.16)."""
        index = -1 if component is None else _word(component)
        return self._add("tag", lib.btf__add_decl_tag, _name(tag), self._reference(of), index)

    def add_func_proto(self, returns: TypeSpec = 0, params: Iterable[tuple[str, TypeSpec]] = ()) -> Type:
        """The type of a function; a last parameter ("", 0) is "..." (btf__add_func_proto)."""
        listed = [(_name(name), self._reference(of)) for name, of in params]
        _few(listed, "parameters")
        arguments = (self._reference(returns),)
        return self._add_whole(
            "prototype", lib.btf__add_func_proto, arguments, lib.btf__add_func_param, listed
        )

    def add_func(self, name: str, proto: TypeSpec, linkage: Linkage = Linkage.GLOBAL) -> Type:
        """A function (btf__add_func)."""
        return self._add("function", lib.btf__add_func, _name(name), Linkage(linkage), self._reference(proto))

    def add_var(self, name: str, of: TypeSpec, linkage: Linkage = Linkage.GLOBAL) -> Type:
        """A global variable (btf__add_var)."""
        return self._add("variable", lib.btf__add_var, _name(name), Linkage(linkage), self._reference(of))

    def add_datasec(self, name: str, size: int, variables: Iterable[tuple[TypeSpec, int, int]] = ()) -> Type:
        """A section: its variables, each with its offset and its size in bytes (btf__add_datasec)."""
        listed = [(self._reference(of), _word(at), _word(length)) for of, at, length in variables]
        _few(listed, "variables")
        arguments = (_name(name), _word(size))
        return self._add_whole(
            "section", lib.btf__add_datasec, arguments, lib.btf__add_datasec_var_info, listed
        )

    # --- many types --------------------------------------------------------------------

    def add_type(self, of: Type) -> Type:
        """A copy of a type of another Btf, with its strings. What it refers to stays ids, which are
        this Btf's from then on (btf__add_type)."""
        if not isinstance(of, Type):
            raise TypeError(f"what is copied is a Type of another Btf, not {type(of).__name__}")
        source = of.btf
        with source._handle as other:
            raw = lib.btf__type_by_id(other, of.id)
            return self._add(f"type '{of}'", lib.btf__add_type, other, raw)

    def add_btf(self, other: Btf) -> int:
        """All types of another Btf, which is not split. Returns the id of the first (btf__add_btf)."""
        if not isinstance(other, Btf):
            raise TypeError(f"what is added is a Btf, not {type(other).__name__}")
        if other is self:
            raise ValueError("a Btf cannot be added to itself")
        with other._handle as pointer, self._changing() as btf:
            return check(lib.btf__add_btf(btf, pointer), "add the BTF of", other._label)

    def dedup(self) -> None:
        """Makes one of all types that are the same, as pahole and the linker do (btf__dedup).

        Ids change: every `Type` and id of this Btf from before stands for something else then.

        Raises:
            FormatError: the types contradict themselves.
        """
        self._check()
        with self._changing() as btf:
            call(lib.call_btf__dedup, btf, ffi.NULL, operation="deduplicate the BTF", subject=self._label)

    # --- how -----------------------------------------------------------------------------

    def _reference(self, of: TypeSpec) -> int:
        """The id that a type is referred to by: that of a type of this Btf or of its base."""
        if isinstance(of, Type):
            if of.btf is not self and of.btf is not self._base:
                raise ValueError(f"{of!r} belongs to another Btf")
            return of.id
        if isinstance(of, str):
            return self.find(of).id
        if not isinstance(of, int):
            raise TypeError(f"a type is given as a Type, an id or a name, not {type(of).__name__}")
        if not 0 <= of <= _MAX_TYPE:
            raise OverflowError(f"a type id is a number from 0 to {_MAX_TYPE}, not {of}")
        return of

    def _add(self, what: str, function: Any, *arguments: Any) -> Type:
        with self._changing() as btf:
            return self[check(function(btf, *arguments), "add a BTF", what)]

    def _add_whole(
        self, what: str, function: Any, arguments: tuple[Any, ...], add_part: Any, parts: list[Any]
    ) -> Type:
        """A type with its parts, which must follow before any other type comes."""
        with self._changing() as btf:
            added = check(function(btf, *arguments), "add a BTF", what)
            for part in parts:
                check(add_part(btf, *part), "add a part of a BTF", f"{what}: {part!r}")
            return self[added]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[CData]:
        with self._handle as btf:
            if self._handle.lent:
                raise StateError("this Btf is the base of a split one, and cannot change any more")
            try:
                yield btf
            finally:
                # What was found out before is of the types before.
                self._codecs.clear()
                self._indexed = None
                self._check_needed = True


if TYPE_CHECKING:
    Members = Iterable[tuple[str, TypeSpec, int] | tuple[str, TypeSpec, int, int] | tuple[str, TypeSpec]]


def distill(btf: Btf) -> tuple[Btf, Btf]:
    """The smallest base of a split Btf, and that Btf split from it."""
    if btf.base is None:
        raise ValueError(f"{btf!r} is not split from another")
    btf._check()
    new = ffi.new("struct btf *[2]")
    with btf._handle as pointer:
        call(lib.call_btf__distill_base, pointer, new, new + 1, operation="distill", subject=btf._label)
    base = Btf(Handle(new[0], lib.btf__free), f"base of {btf._label}", trusted=not btf._check_needed)
    return base, Btf(Handle(new[1], HeldBase(base).free), f"{btf._label}, distilled", base=base)


def relocate(btf: Btf, base: Btf) -> Btf:
    """A split Btf of a distilled base, split from a full one."""
    if btf.base is None:
        raise ValueError(f"{btf!r} is not split from another")
    btf._check()
    base._check()
    data, label = btf.to_bytes(), f"{btf._label}, relocated"
    # libbpf changes what it is given, so it is given a copy.
    handle = Btf._split_handle(
        lib.call_btf__new_split,
        ffi.from_buffer(data),
        len(data),
        base=btf.base,
        operation="copy",
        label=label,
    )
    held = HeldBase(base)
    free = handle._free

    def free_both(pointer: CData) -> None:
        free(pointer)
        held.release()

    handle._free = free_both
    try:
        with handle as pointer:
            call(lib.call_btf__relocate, pointer, held.pointer, operation="relocate", subject=btf._label)
    except BpfError as error:
        handle.close()
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
        hint = "A type of its distilled base has no match, or more than one, in the base given."
        raise FormatError(error.errno, "relocate", btf._label, messages=error.messages, hint=hint) from error
    except BaseException:
        handle.close()
        raise
    return Btf(handle, label, base=base)


def _name(name: str) -> bytes:
    return c_string(name, "a name")


def _one_of(size: int, sizes: tuple[int, ...], what: str) -> None:
    if size not in sizes:
        raise ValueError(f"{what} has {', '.join(map(str, sizes[:-1]))} or {sizes[-1]} bytes, not {size!r}")


def _word(number: int) -> int:
    if not isinstance(number, int):
        raise TypeError(f"an offset, a size or a width is an int, not {type(number).__name__}")
    if not 0 <= number < 1 << 32:
        raise OverflowError(f"{number} does not fit an unsigned 32-bit number")
    return number


def _few(parts: list[Any], what: str) -> None:
    if len(parts) > _MAX_PARTS:
        raise OverflowError(f"a type has {_MAX_PARTS} {what} at most, not {len(parts)}")
