# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BTF written by hand, byte by byte, as Documentation/bpf/btf.rst of the kernel describes it."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from pylibbpf.btf import Kind

SIGNED, CHAR, BOOL = 1, 2, 4


class RawBtf:
    """Adds types, each call returning the new one's id, and makes bytes of them."""

    def __init__(self, *, first_id: int = 1, first_string: int = 0) -> None:
        self.types: list[bytes] = []
        self.first_id = first_id
        self.first_string = first_string
        self.strings = b"" if first_string else b"\0"

    def string(self, name: str) -> int:
        """The offset of a name."""
        if not name:
            return 0
        encoded = name.encode(errors="surrogateescape") + b"\0"
        at = self.strings.find(b"\0" + encoded)
        if at < 0:
            self.strings += encoded
            at = len(self.strings) - len(encoded) - 1
        return self.first_string + at + 1

    def add(
        self,
        kind: int,
        name: str = "",
        vlen: int = 0,
        size_or_type: int = 0,
        tail: bytes = b"",
        kflag: bool = False,
    ) -> int:
        """A type of any kind."""
        info = int(kflag) << 31 | kind << 24 | vlen
        self.types.append(struct.pack("=III", self.string(name), info, size_or_type) + tail)
        return self.first_id + len(self.types) - 1

    def integer(
        self, name: str, size: int, encoding: int = 0, bits: int | None = None, offset: int = 0
    ) -> int:
        word = encoding << 24 | offset << 16 | (8 * size if bits is None else bits)
        return self.add(Kind.INT, name, size_or_type=size, tail=struct.pack("=I", word))

    def floating(self, name: str, size: int) -> int:
        return self.add(Kind.FLOAT, name, size_or_type=size)

    def refer(self, kind: int, type_id: int, name: str = "", vlen: int = 0) -> int:
        """A pointer, typedef, modifier, type tag or function."""
        return self.add(kind, name, vlen, type_id)

    def array(self, element: int, length: int, index: int | None = None) -> int:
        tail = struct.pack("=III", element, self.first_id if index is None else index, length)
        return self.add(Kind.ARRAY, tail=tail)

    def composite(
        self,
        kind: int,
        name: str,
        size: int,
        members: Iterable[tuple[str, int, int] | tuple[str, int, int, int]],
    ) -> int:
        """A struct or union of (name, type, bit offset[, width]), with the kind flag if there is a width."""
        listed = [(*member, 0)[:4] for member in members]
        kflag = any(width for *_, width in listed)
        tail = b"".join(
            struct.pack("=III", self.string(name), type_id, offset | width << 24)
            for name, type_id, offset, width in listed
        )
        return self.add(kind, name, len(listed), size, tail, kflag)

    def struct(self, name: str, size: int, *members: tuple[str, int, int] | tuple[str, int, int, int]) -> int:
        return self.composite(Kind.STRUCT, name, size, members)

    def union(self, name: str, size: int, *members: tuple[str, int, int] | tuple[str, int, int, int]) -> int:
        return self.composite(Kind.UNION, name, size, members)

    def enum(self, name: str, size: int, values: dict[str, int], signed: bool = False) -> int:
        tail = b"".join(struct.pack("=II", self.string(n), v & 0xFFFFFFFF) for n, v in values.items())
        return self.add(Kind.ENUM, name, len(values), size, tail, signed)

    def enum64(self, name: str, values: dict[str, int], signed: bool = False) -> int:
        tail = b"".join(
            struct.pack("=III", self.string(n), v & 0xFFFFFFFF, v >> 32 & 0xFFFFFFFF)
            for n, v in values.items()
        )
        return self.add(Kind.ENUM64, name, len(values), 8, tail, signed)

    def func_proto(self, returns: int, *params: tuple[str, int]) -> int:
        tail = b"".join(struct.pack("=II", self.string(name), type_id) for name, type_id in params)
        return self.add(Kind.FUNC_PROTO, "", len(params), returns, tail)

    def var(self, name: str, type_id: int, linkage: int = 1) -> int:
        return self.add(Kind.VAR, name, size_or_type=type_id, tail=struct.pack("=I", linkage))

    def datasec(self, name: str, size: int, *variables: tuple[int, int, int]) -> int:
        tail = b"".join(struct.pack("=III", *variable) for variable in variables)
        return self.add(Kind.DATASEC, name, len(variables), size, tail)

    def decl_tag(self, name: str, type_id: int, component: int = -1) -> int:
        return self.add(Kind.DECL_TAG, name, size_or_type=type_id, tail=struct.pack("=i", component))

    def __bytes__(self) -> bytes:
        types = b"".join(self.types)
        header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(self.strings))
        return header + types + self.strings


def everything() -> RawBtf:
    """A Btf with at least one type of each kind, and every kind of member."""
    raw = RawBtf()
    int_ = raw.integer("int", 4, SIGNED)
    char = raw.integer("char", 1, SIGNED)
    u8 = raw.integer("unsigned char", 1)
    u32 = raw.integer("unsigned int", 4)
    u64 = raw.integer("unsigned long", 8)
    s64 = raw.integer("long", 8, SIGNED)
    u128 = raw.integer("unsigned __int128", 16)
    bool_ = raw.integer("_Bool", 1, BOOL)
    float_ = raw.floating("float", 4)
    double = raw.floating("double", 8)
    comm = raw.array(char, 16)
    numbers = raw.array(u32, 3)
    color = raw.enum("color", 4, {"RED": 0, "GREEN": 1, "BLUE": 7})
    sign = raw.enum("sign", 4, {"MINUS": -1, "PLUS": 1}, signed=True)
    wide = raw.enum64("wide", {"HUGE": 1 << 40, "ONE": 1})
    pid_t = raw.refer(Kind.TYPEDEF, int_, "pid_t")
    point = raw.struct("point", 8, ("x", int_, 0), ("y", int_, 32))
    overlay = raw.union("", 8, ("whole", u64, 0), ("half", u32, 0))
    event = raw.struct(
        "event",
        64,
        ("pid", pid_t, 0),
        ("flags", u8, 32),
        ("comm", comm, 40),
        ("", overlay, 192),
        ("where", point, 256),
        ("color", color, 320),
        ("numbers", numbers, 352),
        ("next", raw.refer(Kind.PTR, 0), 448),
    )
    raw.struct("bits", 8, ("a", u32, 0, 3), ("b", int_, 3, 5), ("c", u32, 8, 24), ("d", bool_, 32, 1))
    raw.struct("mixed", 64, *[("u", u128, 0), ("f", float_, 128), ("d", double, 192), ("b", bool_, 256)],
               *[("s", sign, 288), ("w", wide, 320), ("l", s64, 384)])  # fmt: skip
    constant = raw.refer(Kind.CONST, event)
    raw.refer(Kind.VOLATILE, raw.refer(Kind.RESTRICT, raw.refer(Kind.PTR, constant)))
    raw.add(Kind.FWD, "unknown")
    raw.add(Kind.FWD, "unknown_union", kflag=True)
    raw.refer(Kind.PTR, raw.refer(Kind.TYPE_TAG, event, "user"))
    proto = raw.func_proto(int_, ("event", raw.refer(Kind.PTR, event)), ("flags", u64))
    raw.refer(Kind.FUNC, proto, "handle", vlen=1)
    raw.decl_tag("tag", event)
    raw.decl_tag("member_tag", event, 2)
    counter = raw.var("counter", u64)
    raw.datasec(".bss", 8, (counter, 0, 8))
    return raw
