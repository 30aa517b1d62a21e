# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BPF programs: one class per kind, grouped by family."""

from __future__ import annotations

from .cgroup import CgroupDevice, CgroupSkb, CgroupSock, CgroupSockAddr, CgroupSockopt, CgroupSysctl, SockOps
from .extension import Extension
from .iter import Iter
from .kprobe import KProbe, KProbeMulti, KProbeSession, KRetProbe, KSyscall
from .lirc import LircMode2
from .lsm import Lsm, LsmCgroup
from .lwt import LwtIn, LwtOut, LwtSeg6Local, LwtXmit
from .netns import FlowDissector, Netfilter
from .perf_event import PerfEvent
from .program import Program
from .sched_cls import Netkit, SchedAct, SchedCls, Tcx
from .sections import CustomSection, register_section
from .socket import SkLookup, SkMsg, SkReuseport, SkSkb, SocketFilter
from .stats import ProgramStats, enable_stats
from .struct_ops import StructOps
from .syscall import Syscall
from .test_run import RunResult
from .tracepoint import RawTracePoint, RawTracePointWritable, TracePoint
from .tracing import BtfTracePoint, FEntry, FExit, FModRet, FSession
from .uprobe import UProbe, UProbeMulti, UProbeSession, URetProbe
from .usdt import Usdt
from .xdp import Xdp

__all__ = [
    "BtfTracePoint",
    "CgroupDevice",
    "CgroupSkb",
    "CgroupSock",
    "CgroupSockAddr",
    "CgroupSockopt",
    "CgroupSysctl",
    "CustomSection",
    "Extension",
    "FEntry",
    "FExit",
    "FModRet",
    "FSession",
    "FlowDissector",
    "Iter",
    "KProbe",
    "KProbeMulti",
    "KProbeSession",
    "KRetProbe",
    "KSyscall",
    "LircMode2",
    "Lsm",
    "LsmCgroup",
    "LwtIn",
    "LwtOut",
    "LwtSeg6Local",
    "LwtXmit",
    "Netfilter",
    "Netkit",
    "PerfEvent",
    "Program",
    "ProgramStats",
    "RawTracePoint",
    "RawTracePointWritable",
    "RunResult",
    "SchedAct",
    "SchedCls",
    "SkLookup",
    "SkMsg",
    "SkReuseport",
    "SkSkb",
    "SockOps",
    "SocketFilter",
    "StructOps",
    "Syscall",
    "Tcx",
    "TracePoint",
    "UProbe",
    "UProbeMulti",
    "UProbeSession",
    "URetProbe",
    "Usdt",
    "Xdp",
    "enable_stats",
    "register_section",
]
