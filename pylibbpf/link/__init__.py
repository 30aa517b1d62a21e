# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attaching programs to hooks, in the style of cilium/ebpf's link package: one family per file."""

from __future__ import annotations

from .anchor import After, Anchor, Before, Head, Replace, Tail
from .cgroup import CgroupLink, attach_cgroup, load_pinned_cgroup
from .iter import IterLink, attach_iter, load_pinned_iter
from .kprobe import attach_kprobe, attach_kretprobe
from .kprobe_multi import KProbeMultiLink, attach_kprobe_multi
from .ksyscall import attach_ksyscall
from .link import Link, from_fd, from_id, links, load_pinned
from .netfilter import NetfilterLink, attach_netfilter
from .netkit import NetkitLink, attach_netkit
from .netns import NetNsLink, attach_netns, load_pinned_netns
from .perf_event import PerfEventLink, attach_perf_event
from .program_attach import raw_attach_program, raw_detach_program
from .query import AttachedProgram, QueryResult, query
from .raw_link import RawLink, attach_raw_link, load_pinned_raw_link
from .raw_tracepoint import RawTracepointLink, attach_raw_tracepoint
from .socket_filter import SocketAttachment, attach_reuseport, attach_socket_filter
from .sockmap import SockMapLink, attach_sockmap
from .struct_ops import StructOpsLink, attach_struct_ops
from .tc import TcFilter, TcFilterInfo, attach_tc, query_tc
from .tcx import TcxLink, attach_tcx
from .tracepoint import attach_tracepoint
from .tracing import TracingLink, attach_freplace, attach_lsm, attach_tracing
from .uprobe import attach_uprobe, attach_uretprobe
from .uprobe_multi import UProbeMultiLink, attach_uprobe_multi
from .usdt import UsdtLink, attach_usdt
from .xdp import XdpLink, attach_xdp

__all__ = [
    "After",
    "Anchor",
    "AttachedProgram",
    "Before",
    "CgroupLink",
    "Head",
    "IterLink",
    "KProbeMultiLink",
    "Link",
    "NetNsLink",
    "NetfilterLink",
    "NetkitLink",
    "PerfEventLink",
    "QueryResult",
    "RawLink",
    "RawTracepointLink",
    "Replace",
    "SockMapLink",
    "SocketAttachment",
    "StructOpsLink",
    "Tail",
    "TcFilter",
    "TcFilterInfo",
    "TcxLink",
    "TracingLink",
    "UProbeMultiLink",
    "UsdtLink",
    "XdpLink",
    "attach_cgroup",
    "attach_freplace",
    "attach_iter",
    "attach_kprobe",
    "attach_kprobe_multi",
    "attach_kretprobe",
    "attach_ksyscall",
    "attach_lsm",
    "attach_netfilter",
    "attach_netkit",
    "attach_netns",
    "attach_perf_event",
    "attach_raw_link",
    "attach_raw_tracepoint",
    "attach_reuseport",
    "attach_socket_filter",
    "attach_sockmap",
    "attach_struct_ops",
    "attach_tc",
    "attach_tcx",
    "attach_tracepoint",
    "attach_tracing",
    "attach_uprobe",
    "attach_uprobe_multi",
    "attach_uretprobe",
    "attach_usdt",
    "attach_xdp",
    "from_fd",
    "from_id",
    "links",
    "load_pinned",
    "load_pinned_cgroup",
    "load_pinned_iter",
    "load_pinned_netns",
    "load_pinned_raw_link",
    "query",
    "query_tc",
    "raw_attach_program",
    "raw_detach_program",
]
