# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What /proc tells of an fd: /proc/PID/fdinfo."""

from __future__ import annotations


def fdinfo(fd: int, pid: int | None = None) -> dict[str, str]:
    """The lines of an fd of this process, or of another, by name; none where they cannot be read."""
    try:
        with open(f"/proc/{'self' if pid is None else pid}/fdinfo/{fd}") as file:
            pairs = [line.partition(":") for line in file]
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in pairs}
