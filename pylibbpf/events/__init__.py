# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Streams of events from BPF programs: ring buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Every public name and the module it lives in, imported when the name is asked for.
_HOME = {
    "RingBuffer": "ring_buffer",
    "ShortRecordError": "records",
}

if TYPE_CHECKING:
    from .records import ShortRecordError
    from .ring_buffer import RingBuffer

__all__ = ["RingBuffer", "ShortRecordError"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
