# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of XDP programs."""

from __future__ import annotations

from .link import Link


class XdpLink(Link):
    """An XDP program on a network device."""

    _updatable = True
