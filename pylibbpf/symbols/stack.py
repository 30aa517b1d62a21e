# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Stacks as BPF programs hand them over: addresses out of a buffer, and build ids with offsets."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

from .symbol import Frame

if TYPE_CHECKING:
    from typing_extensions import Buffer

# struct bpf_stack_build_id, and what its status says: include/uapi/linux/bpf.h.
_BUILD_ID = struct.Struct("=i20sQ")
_EMPTY, _VALID, _IP = 0, 1, 2


def addresses_of_stack(stack: Iterable[int] | Buffer) -> tuple[int, ...]:
    """The addresses of a stack, the innermost first.

    Args:
        stack: what bpf_get_stack() filled, as bytes, an array or a field of an event; or
            addresses, as `maps.StackTrace` has them. It ends at a zero, or with its last byte.

    Raises:
        TypeError: it is neither.
        ValueError: it is no whole number of addresses.
    """
    try:
        view = memoryview(stack)  # type: ignore[arg-type]
    except TypeError:
        if isinstance(stack, str) or not isinstance(stack, Iterable):
            kind = type(stack).__name__
            raise TypeError(f"a stack is addresses, or a buffer with some, not {kind}") from None
        addresses = tuple(stack)
    else:
        if view.itemsize not in (1, 8):
            raise TypeError(f"a stack has addresses of 8 bytes, and this buffer has items of {view.itemsize}")
        if view.nbytes % 8:
            raise ValueError(f"a stack has addresses of 8 bytes, and this buffer has {view.nbytes} bytes")
        addresses = struct.unpack(f"={view.nbytes // 8}Q", bytes(view))
    return addresses[: addresses.index(0)] if 0 in addresses else addresses


def frames_of(stack: Iterable[int] | Buffer, frame_at: Callable[[int, int], Frame]) -> list[Frame]:
    """A frame for each address, by a function of the address and of one inside the instruction.

    All but the innermost are where a call returns to: the instruction after the call, which
    may belong to another line and, when the function called never returns, another function.
    """
    return [
        frame_at(address, address - (index > 0)) for index, address in enumerate(addresses_of_stack(stack))
    ]


def build_id_stack(stack: Buffer | Sequence[Buffer]) -> list[Frame]:
    """The frames of a user stack that was taken with build ids in place of addresses.

    Args:
        stack: what bpf_get_stack() filled under BPF_F_USER_BUILD_ID, or `lookup_bytes(id)` of a
            `maps.StackTrace` with the flag STACK_BUILD_ID; or each `struct bpf_stack_build_id` of it.

    Returns:
        A frame for each entry, with the build id and the offset in the file; with the address
        instead where the kernel could not tell them. `FileSymbols(path).find(frame.file_offset)`
        has the symbol, on this machine or on another.

    Raises:
        TypeError, ValueError: it is no such stack.

    Kernel: 4.17; bpf_get_stack 4.18.
    """
    if isinstance(stack, (list, tuple)):
        entries = b"".join(bytes(memoryview(entry)) for entry in stack)
    else:
        entries = bytes(memoryview(cast("Buffer", stack)))
    if len(entries) % (size := _BUILD_ID.size):
        raise ValueError(
            f"a stack of build ids has entries of {size} bytes, and this is {len(entries)} bytes"
        )
    frames = []
    for status, build_id, where in _BUILD_ID.iter_unpack(entries):
        if status == _EMPTY:
            break
        if status == _VALID:
            # Build ids are 20 bytes (SHA-1) or shorter, and then end in zeros (lib/buildid.c).
            frames.append(Frame(0, file_offset=where, build_id=_trimmed(build_id)))
        elif status == _IP:
            frames.append(Frame(where))
        else:
            raise ValueError(f"this is no stack of build ids: it has an entry with the status {status}")
    return frames


def _trimmed(build_id: bytes) -> bytes:
    """A build id without the zeros that pad it: those of 8 (xxhash) and 16 bytes (MD5, UUID)."""
    for size in (8, 16):
        if not any(build_id[size:]):
            return build_id[:size]
    return build_id
