# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of kprobe.multi programs."""

from __future__ import annotations

from .link import Link


class KProbeMultiLink(Link):
    """A program on many kernel functions."""
