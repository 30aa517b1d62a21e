# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of sockmap programs: sk_msg, sk_skb."""

from __future__ import annotations

from .link import Link


class SockMapLink(Link):
    """A program on a SockMap or SockHash."""

    _updatable = True
