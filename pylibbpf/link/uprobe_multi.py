# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of uprobe.multi programs."""

from __future__ import annotations

from .link import Link


class UProbeMultiLink(Link):
    """A program on many user-space functions."""
