# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of cgroup programs."""

from __future__ import annotations

from .link import Link


class CgroupLink(Link):
    """A program on a cgroup."""

    _updatable = True
