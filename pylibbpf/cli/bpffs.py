# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BPF file systems: where they are, and what is pinned there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import BpfError


class Entry(NamedTuple):
    """A name on a BPF file system.

    Attributes:
        path: where it is.
        depth: how many directories it is below the one that was walked.
        kind: "prog", "map" or "link"; "directory"; or "" for what the kernel does not let us open.
        id: the id of what is pinned, or 0.
        type: the type of what is pinned, or "".
        name: the name of what is pinned, or "".
    """

    path: str
    depth: int
    kind: str
    id: int
    type: str
    name: str


def mount_points() -> list[str]:
    """Where BPF file systems are mounted (/proc/self/mountinfo), each file system once."""
    found: dict[str, str] = {}
    with open("/proc/self/mountinfo", errors="surrogateescape") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[fields.index("-") + 1] == "bpf":
                path = fields[4].encode("latin-1", "surrogateescape").decode("unicode_escape")
                if os.path.isdir(path):
                    found.setdefault(fields[2], path)
    return list(found.values())


def is_bpffs(path: str) -> bool:
    """Whether a path is on a BPF file system."""
    from ..pins import _file_system

    return _file_system(path) == "bpf"


def walk(directory: str, depth: int = 0) -> Iterator[Entry]:
    """Everything below a directory, in the order of names. What vanishes meanwhile is left out."""
    with os.scandir(directory) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield Entry(entry.path, depth, "directory", 0, "", "")
            try:
                yield from walk(entry.path, depth + 1)
            except OSError:
                continue
        else:
            try:
                yield pinned_at(entry.path, depth)
            except FileNotFoundError:
                continue


def pinned_at(path: str, depth: int = 0) -> Entry:
    """What is pinned at a path.

    Raises:
        NotFoundError: there is nothing.
    """
    from .. import link
    from .._native import lib, open_fd, path_bytes
    from ..errors import NotFoundError
    from ..maps.info import map_info
    from ..pins import fd_kind
    from ..programs.info import program_info

    try:
        handle = open_fd(
            lib.call_bpf_obj_get, path_bytes(path), operation="open the pin", subject=f"'{path}'"
        )
    except NotFoundError:
        raise
    except BpfError:
        return Entry(path, depth, "", 0, "", "")
    try:
        with handle as fd:
            kind = fd_kind(fd)
            if kind == "link":
                with link.from_fd(fd) as opened:
                    return Entry(path, depth, kind, opened.id, str(opened.type), "")
            info = map_info(fd) if kind == "map" else program_info(fd)
            return Entry(path, depth, kind, info.id, str(info.type), info.name)
    finally:
        handle.close()
