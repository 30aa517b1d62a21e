# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What is fuzzed: functions that take any bytes, and may raise the documented exceptions and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pylibbpf as bpf
from pylibbpf import elf
from pylibbpf._native import ffi, lib
from pylibbpf.btf import Btf, BtfExt
from pylibbpf.btf.types import DataSec, Type
from tests.fuzz.forged_ring import ForgedRing

if TYPE_CHECKING:
    from pylibbpf.btf.codec import Codec

OBJECTS = Path(__file__).resolve().parents[1] / "bpf"
# A value larger than this is not worth its time.
_LARGEST_VALUE = 1 << 12
# The whole of an input is looked at once in so many, by its checksum, so that the same input does the same
# again; else a part. All of it each time would make the fuzzer ten times slower.
_USES = 4


def open_object(data: bytes) -> None:
    """Opens an object and looks at all that an unloaded one shows."""
    try:
        obj = bpf.Object.open(data)
    except bpf.Error:
        return
    with obj:
        assert isinstance(obj.license, str)
        for program in obj.programs.values():
            assert isinstance(program.section, str)
            assert len(program.instructions) >= 0
        for map in obj.maps.values():
            assert map.type is not None
        if crc32(data) % _USES:
            return
        try:
            for variable in obj.variables.values():
                if variable.type.btf.size_of(variable.type) <= _LARGEST_VALUE:
                    variable.raw = variable.raw
                    assert repr(variable.value)
        except bpf.Error:
            pass


def parse_btf(data: bytes) -> None:
    """Parses BTF, and does with its types what can be done."""
    try:
        btf = Btf.from_bytes(data)
    except bpf.Error:
        return
    with btf:
        assert btf.to_bytes()
        chosen = crc32(data)
        if chosen % _USES == 0:
            _documented(btf.c_dump)
        elif len(btf):
            _use_type(btf, 1 + chosen // _USES % len(btf))


def _use_type(btf: Btf, type_id: int) -> None:
    found = _documented(lambda: btf[type_id])
    if found is None:
        return
    for use in (str, repr, btf.resolve, btf.align_of, btf.c_dump):
        _documented(use, found)
    size = _documented(btf.size_of, found)
    if size is None or size > _LARGEST_VALUE:
        return
    zeroes = bytes(size)
    _documented(btf.format, found, zeroes)
    codec = _documented(btf.codec, found)
    if codec is not None:
        _documented(codec.decode, zeroes)
    for make in (btf.to_ctypes, btf.to_dtype):
        _documented(make, found)


def _documented(function: Callable[..., Any], *arguments: Any) -> Any:
    """What it returns; None if it raises an exception that a user of BTF of unknown origin must expect."""
    try:
        return function(*arguments)
    except (bpf.Error, TypeError):
        return None  # TypeError: the type has no values, as a function has none
    except ValueError as error:
        if isinstance(error, UnicodeError):
            raise
        return None


def parse_btf_ext(data: bytes) -> None:
    """Reads .BTF.ext beside the types of an object."""
    try:
        ext = BtfExt(_types(), data)
    except bpf.Error:
        return
    assert ext.to_bytes() == data


def read_elf(data: bytes) -> None:
    """Reads what pylibbpf itself reads of an ELF file."""
    elf.license_of(data)
    elf.exported_functions(data)


def run_codec(data: bytes) -> None:
    """Decodes hostile bytes as values of all kinds, and hostile values into bytes."""
    codecs = _codecs()
    if len(data) < 4:
        return
    codec = codecs[int.from_bytes(data[:2], "little") % len(codecs)]
    raw = data[4:][: codec.size].ljust(codec.size, b"\xa5")
    value = codec.decode(raw)
    encoded = codec.encode(value)
    assert len(encoded) == codec.size
    # Padding and bits that no field has need not survive, but the values do.
    assert codec.encode(codec.decode(encoded)) == encoded
    try:
        encoded = codec.encode(_value(data[2:]))
    except (ValueError, TypeError, OverflowError, bpf.Error):
        return
    assert len(encoded) == codec.size


def _value(data: bytes) -> Any:
    """A Python value that bytes stand for."""
    kind, rest = data[0] % 9, data[1:]
    if kind == 0:
        return int.from_bytes(rest[:9], "little", signed=True)
    if kind == 1:
        return rest
    if kind == 2:
        return rest.decode("latin-1")
    if kind == 3:
        return struct.unpack("<d", rest[:8].ljust(8, b"\0"))[0]
    if kind == 4:
        return [_value(rest[at : at + 4]) for at in range(0, min(len(rest), 64) - 1, 4)]
    if kind == 5:
        return tuple(rest)
    if kind == 6:
        names = ("pid", "comm", "a", "b", "key", rest[:3].decode("latin-1"))
        return {name: _value(rest[at : at + 4] or b"\0") for at, name in enumerate(names)}
    if kind == 7:
        return memoryview(rest).cast("B")
    return None


@cache
def _types() -> Btf:
    return Btf.from_elf(OBJECTS / "sections.bpf.o")


@cache
def _codecs() -> list[Codec]:
    """Codecs of all types of some objects."""
    found = []
    for name in ("maps", "spine", "variables", "sections"):
        path = OBJECTS / f"{name}.bpf.o"
        if not path.exists():
            continue
        with Btf.from_elf(path) as btf:
            codecs = [_codec_of(btf, type) for type in btf]
        found += [codec for codec in codecs if codec is not None and 0 < codec.size <= 4096]
    return found


def _codec_of(btf: Btf, type: Type) -> Codec | None:
    return None if isinstance(type, DataSec) else _documented(btf.codec, type)


_RING_SIZE = 4096
_CAPACITY = 64


def peek_ring(data: bytes) -> None:
    """Looks for records in mapped memory that anybody may have written."""
    ring = ForgedRing(_RING_SIZE, data)
    records, ends = ffi.new("struct glue_record[]", _CAPACITY), ffi.new("uint64_t[]", _CAPACITY)
    lease = ffi.new("struct glue_lease *")
    lease.records, lease.ends = records, ends
    lib.glue_lease_peek(lease, ring.positions, ring.data, _RING_SIZE, _CAPACITY)
    assert lease.count <= _CAPACITY
    for record in records[0 : lease.count]:
        assert 8 <= record.start <= record.end <= 2 * _RING_SIZE


def drain_ring(data: bytes) -> None:
    """Drains such memory as libbpf does, batch after batch."""
    reader = _reader()
    with ForgedRing(_RING_SIZE, data).in_place_of(reader):
        try:
            for _ in range(4):
                for record in reader.read_batch(timeout=0):
                    assert len(record) <= _RING_SIZE
        except bpf.Error:
            pass


@cache
def _reader() -> bpf.RingBuffer[bytes]:
    """A reader of a real map, whose memory each run replaces."""
    with bpf.Map.create(bpf.MapType.RINGBUF, max_entries=_RING_SIZE) as map:
        return bpf.RingBuffer(map)


def close_shared() -> None:
    """Closes what runs have in common, so that nothing is left at the end but leaks."""
    for shared in (_types, _reader):
        if shared.cache_info().currsize:
            shared().close()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "object": open_object,
    "btf": parse_btf,
    "btf_ext": parse_btf_ext,
    "elf": read_elf,
    "codec": run_codec,
    "peek": peek_ring,
    "ring": drain_ring,
}
