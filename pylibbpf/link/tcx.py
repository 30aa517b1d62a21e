# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of tcx programs."""

from __future__ import annotations

from .link import Link


class TcxLink(Link):
    """A program on the ingress or egress of a network device."""

    _updatable = True
