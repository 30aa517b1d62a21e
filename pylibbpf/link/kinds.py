# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Which class a link is, by the kernel's link type."""

from __future__ import annotations

from ..enums import LinkType
from .cgroup import CgroupLink
from .iter import IterLink
from .kprobe_multi import KProbeMultiLink
from .link import Link
from .netfilter import NetfilterLink
from .netkit import NetkitLink
from .netns import NetNsLink
from .perf_event import PerfEventLink
from .raw_link import RawLink
from .raw_tracepoint import RawTracepointLink
from .sockmap import SockMapLink
from .struct_ops import StructOpsLink
from .tcx import TcxLink
from .tracing import TracingLink
from .uprobe_multi import UProbeMultiLink
from .xdp import XdpLink

_CLASSES: dict[LinkType, type[Link]] = {
    LinkType.RAW_TRACEPOINT: RawTracepointLink,
    LinkType.TRACING: TracingLink,
    LinkType.CGROUP: CgroupLink,
    LinkType.ITER: IterLink,
    LinkType.NETNS: NetNsLink,
    LinkType.XDP: XdpLink,
    LinkType.PERF_EVENT: PerfEventLink,
    LinkType.KPROBE_MULTI: KProbeMultiLink,
    LinkType.STRUCT_OPS: StructOpsLink,
    LinkType.NETFILTER: NetfilterLink,
    LinkType.TCX: TcxLink,
    LinkType.UPROBE_MULTI: UProbeMultiLink,
    LinkType.NETKIT: NetkitLink,
    LinkType.SOCKMAP: SockMapLink,
}


def link_class(type: LinkType) -> type[Link]:
    """The class for a link type; RawLink for one that a newer kernel brings."""
    return _CLASSES.get(type, RawLink)
