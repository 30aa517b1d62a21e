# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Where a link attaches its program, in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..link.info import LinkInfo

_BESIDES = ("type", "id", "program_id")


def place(info: LinkInfo) -> str:
    """Where a link is, from what the kernel tells: "lo TCX_INGRESS", "task", "sched_switch"."""
    from dataclasses import fields

    data = {field.name: getattr(info, field.name) for field in fields(info) if field.name not in _BESIDES}
    parts = [_words(name, value) for name, value in data.items()]
    return " ".join(part for part in parts if part)


def _words(name: str, value: Any) -> str:
    if (
        value is None
        or (name == "cookie" and not value)
        or name in ("cookies", "reference_counter_offsets", "flags", "missed", "event_type")
    ):
        return ""
    if name == "ifindex":
        return _interface(value)
    if name in ("name", "target_name", "function", "file", "path", "attach_type"):
        return str(value)
    if name == "offset":
        return f"+{value:#x}" if value else ""
    if isinstance(value, tuple):
        return f"{name}={len(value)}"
    if name == "address":
        return f"at {value:#x}"
    return f"{name}={value}"


def _interface(index: int) -> str:
    import socket

    try:
        return socket.if_indextoname(index)
    except OSError:
        return f"ifindex={index}"  # gone, or of another network namespace
