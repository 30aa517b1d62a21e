# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of netkit programs."""

from __future__ import annotations

from .link import Link


class NetkitLink(Link):
    """A program on a netkit device."""

    _updatable = True
