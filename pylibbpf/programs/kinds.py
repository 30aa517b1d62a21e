# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Which class a program of an object is: by its section, else by its type and attach type."""

from __future__ import annotations

from ..enums import ProgramType
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
from .socket import SkLookup, SkMsg, SkReuseport, SkSkb, SocketFilter
from .struct_ops import StructOps
from .syscall import Syscall
from .tracepoint import RawTracePoint, RawTracePointWritable, TracePoint
from .tracing import BtfTracePoint, FEntry, FExit, FModRet, FSession
from .uprobe import UProbe, UProbeMulti, UProbeSession, URetProbe
from .usdt import Usdt
from .xdp import Xdp

# Of several kinds of one type, the one without attach types stands last: it takes what is left.
KINDS: tuple[type[Program], ...] = (
    *(FEntry, FExit, FSession, FModRet, BtfTracePoint, Iter, Lsm, LsmCgroup, Extension),
    *(KProbeMulti, KProbeSession, UProbeMulti, UProbeSession, KProbe, KRetProbe, KSyscall),
    *(UProbe, URetProbe, Usdt, TracePoint, RawTracePoint, RawTracePointWritable, PerfEvent),
    *(Xdp, Tcx, Netkit, SchedCls, SchedAct, SocketFilter, SkReuseport, SkMsg, SkSkb, SkLookup),
    *(SockOps, CgroupSkb, CgroupSock, CgroupSockAddr, CgroupSockopt, CgroupSysctl, CgroupDevice),
    *(FlowDissector, Netfilter, LircMode2, LwtIn, LwtOut, LwtXmit, LwtSeg6Local, StructOps, Syscall),
)

_BY_SECTION = {section: kind for kind in KINDS for section in kind._sections}


def kind_of(type: ProgramType, attach_type: int, section: str) -> type[Program]:
    """The class for a program that libbpf found in an object.

    Its section is what its author wrote; its type may have been changed since, by a
    custom section handler for instance, and then decides.
    """
    for prefix in _prefixes(section):
        kind = _BY_SECTION.get(prefix)
        if kind is not None and kind._type == type:
            return kind
    for kind in KINDS:
        if kind._type == type and (not kind._attach_types or attach_type in kind._attach_types):
            return kind
    return Program


def _prefixes(section: str) -> list[str]:
    """The section and what stands before each of its slashes, longest first."""
    prefixes = [section]
    while "/" in prefixes[-1]:
        prefixes.append(prefixes[-1].rpartition("/")[0])
    return prefixes
