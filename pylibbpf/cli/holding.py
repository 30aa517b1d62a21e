# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Who holds programs, maps and links: processes and pins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..kernel import Holder

    Holding = Mapping[int, tuple[Holder, ...]]


def holder_names(holders: Holding, id: int) -> list[str]:
    """The processes that hold an object, each once: "nginx (7)"."""
    return list(dict.fromkeys(f"{holder.name} ({holder.pid})" for holder in holders.get(id, ())))


def holder_lines(holders: Holding, id: int) -> list[str]:
    """The processes that hold an object, with their fds: "nginx (7), fd 3"."""
    return [f"{holder.name} ({holder.pid}), fd {holder.fd}" for holder in holders.get(id, ())]


def with_holders(data: dict[str, Any], holders: Holding, wanted: bool) -> dict[str, Any]:
    """The data of an object, with the processes that hold it if they are wanted."""
    from .output import plain

    return {**data, "holders": plain(holders.get(data["id"], ()))} if wanted else data


def pinned_paths(kind: str, id: int) -> list[str]:
    """The paths on this machine's BPF file systems where an object is pinned."""
    from .bpffs import mount_points, walk

    return [
        entry.path
        for directory in mount_points()
        for entry in walk(directory)
        if (entry.kind, entry.id) == (kind, id)
    ]
