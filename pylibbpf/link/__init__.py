# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching programs to hooks, in the style of cilium/ebpf's link package: one family per file."""

from __future__ import annotations

from .cgroup import CgroupLink
from .iter import IterLink, attach_iter
from .kprobe_multi import KProbeMultiLink
from .link import Link, RawLink, from_fd, from_id, links, load_pinned
from .netfilter import NetfilterLink
from .netkit import NetkitLink
from .netns import NetNsLink
from .perf_event import PerfEventLink
from .raw_tracepoint import RawTracepointLink, attach_raw_tracepoint
from .sockmap import SockMapLink
from .struct_ops import StructOpsLink
from .tcx import TcxLink
from .tracing import TracingLink, attach_lsm, attach_tracing
from .uprobe_multi import UProbeMultiLink
from .xdp import XdpLink

__all__ = [
    "CgroupLink",
    "IterLink",
    "KProbeMultiLink",
    "Link",
    "NetNsLink",
    "NetfilterLink",
    "NetkitLink",
    "PerfEventLink",
    "RawLink",
    "RawTracepointLink",
    "SockMapLink",
    "StructOpsLink",
    "TcxLink",
    "TracingLink",
    "UProbeMultiLink",
    "XdpLink",
    "attach_iter",
    "attach_lsm",
    "attach_raw_tracepoint",
    "attach_tracing",
    "from_fd",
    "from_id",
    "links",
    "load_pinned",
]
