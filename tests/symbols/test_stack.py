# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Stacks as programs hand them over."""

from __future__ import annotations

import array
import ctypes
import struct
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.symbols import Frame, addresses_of_stack, build_id_stack

ADDRESSES = (0xFFFFFFFF81000010, 0xFFFFFFFF81000020, 4096)
PACKED = struct.pack("=3Q", *ADDRESSES)


@pytest.mark.parametrize(
    "stack",
    [
        ADDRESSES,
        list(ADDRESSES),
        iter(ADDRESSES),
        (*ADDRESSES, 0, 0),
        PACKED,
        bytearray(PACKED),
        memoryview(PACKED),
        PACKED + bytes(16),
        array.array("Q", ADDRESSES),
        (ctypes.c_uint64 * 5)(*ADDRESSES),
        (ctypes.c_ubyte * 24).from_buffer_copy(PACKED),
    ],
    ids=lambda stack: type(stack).__name__,
)
def test_a_stack_ends_at_a_zero_or_with_its_last_address(stack: Any) -> None:
    assert addresses_of_stack(stack) == ADDRESSES


def test_an_empty_stack_is_one() -> None:
    assert addresses_of_stack(b"") == addresses_of_stack([]) == addresses_of_stack(bytes(8)) == ()


@pytest.mark.needs("numpy")
def test_a_numpy_array_is_a_stack() -> None:
    import numpy

    assert addresses_of_stack(numpy.array(ADDRESSES, "u8")) == ADDRESSES
    with pytest.raises(TypeError, match="items of 4"):
        addresses_of_stack(numpy.array([1, 2], "u4"))


@pytest.mark.parametrize(
    ("stack", "error", "match"),
    [
        (PACKED[:-1], ValueError, "this buffer has 23 bytes"),
        (array.array("I", [1, 2]), TypeError, "items of 4"),
        ("text", TypeError, "not str"),
        (5, TypeError, "not int"),
        (None, TypeError, "not NoneType"),
    ],
)
def test_what_is_no_stack_is_refused(stack: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        addresses_of_stack(stack)


def entry(status: int, build_id: bytes, where: int) -> bytes:
    """A struct bpf_stack_build_id."""
    return struct.pack("=i20sQ", status, build_id, where)


def test_a_stack_of_build_ids_has_offsets_in_files_and_addresses() -> None:
    sha1, md5 = bytes(range(1, 21)), bytes(range(1, 17))
    entries = [entry(1, sha1, 0x123), entry(2, b"", 4096), entry(1, md5, 8), entry(1, b"12345678", 9)]
    frames = [
        Frame(0, file_offset=0x123, build_id=sha1),
        Frame(4096),
        Frame(0, file_offset=8, build_id=md5),
        Frame(0, file_offset=9, build_id=b"12345678"),
    ]
    assert build_id_stack(b"".join(entries)) == frames
    assert build_id_stack([*entries, entry(0, b"", 0), entry(1, sha1, 1)]) == frames
    assert str(frames[0]) == f"{sha1.hex()}+0x123"
    assert str(frames[1]) == "0x1000"


@pytest.mark.parametrize(
    ("stack", "error", "match"),
    [
        (bytes(31), ValueError, "32 bytes, and this is 31 bytes"),
        (entry(3, b"", 0), ValueError, "status 3"),
        ([1], TypeError, "bytes-like"),
        (5, TypeError, "bytes-like"),
    ],
)
def test_what_is_no_stack_of_build_ids_is_refused(stack: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        build_id_stack(stack)


@pytest.mark.needs("root", "vmlinux_btf")
def test_the_kernel_takes_stacks_of_build_ids(stacks: bpf.Object) -> None:
    frames = build_id_stack(stacks.variables["user_build_ids"].value)
    assert frames
    assert len(frames) * 32 == stacks.variables["user_build_ids_size"].value
    id = stacks.variables["build_id_id"].value
    raw = stacks.map("build_ids", bpf.maps.StackTrace).lookup_bytes(id.to_bytes(4, "little"))
    assert raw is not None
    assert build_id_stack(raw)[: len(frames)] == frames
