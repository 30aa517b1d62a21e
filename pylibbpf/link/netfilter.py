# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of netfilter programs."""

from __future__ import annotations

from .link import Link


class NetfilterLink(Link):
    """A program on a netfilter hook."""
