# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of network namespace programs: flow dissector, sk_lookup."""

from __future__ import annotations

from .link import Link


class NetNsLink(Link):
    """A program on a network namespace."""

    _updatable = True
