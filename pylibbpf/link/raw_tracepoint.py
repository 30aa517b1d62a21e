# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of raw tracepoints, tp_btf among them."""

from __future__ import annotations

from .link import Link


class RawTracepointLink(Link):
    """A program on a tracepoint: raw_tp, and tp_btf, whose links the kernel counts here."""
