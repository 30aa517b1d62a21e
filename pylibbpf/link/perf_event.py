# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of perf events: kprobe, uprobe, tracepoint, perf_event."""

from __future__ import annotations

from .link import Link


class PerfEventLink(Link):
    """A program on a perf event. Before 5.15 an attachment without a link: `is_bpf_link` is False."""
