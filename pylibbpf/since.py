# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Since which kernel there are types of programs, attach points and links, and whether this kernel lacks one.

Asked only after a refusal. The kernel's own BTF answers, so that a backport or a
configuration is seen, and a version number never decides.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from .enums import AttachType, LinkType, ProgramType

Kind = LinkType | AttachType | ProgramType

# Documentation/bpf and the commits that added each enumerator to include/uapi/linux/bpf.h.
LINK_TYPES = {
    LinkType.RAW_TRACEPOINT: "5.8",
    LinkType.TRACING: "5.8",
    LinkType.CGROUP: "5.7",
    LinkType.ITER: "5.8",
    LinkType.NETNS: "5.8",
    LinkType.XDP: "5.9",
    LinkType.PERF_EVENT: "5.15",
    LinkType.KPROBE_MULTI: "5.18",
    LinkType.STRUCT_OPS: "6.4",
    LinkType.NETFILTER: "6.4",
    LinkType.TCX: "6.6",
    LinkType.UPROBE_MULTI: "6.6",
    LinkType.NETKIT: "6.7",
    LinkType.SOCKMAP: "6.10",
}
ATTACH_TYPES = {
    AttachType.TRACE_FENTRY: "5.5",
    AttachType.TRACE_FEXIT: "5.5",
    AttachType.MODIFY_RETURN: "5.7",
    AttachType.TRACE_ITER: "5.8",
    AttachType.SK_LOOKUP: "5.9",
    AttachType.LSM_CGROUP: "6.0",
    AttachType.CGROUP_UNIX_CONNECT: "6.7",
    AttachType.CGROUP_UNIX_SENDMSG: "6.7",
    AttachType.CGROUP_UNIX_RECVMSG: "6.7",
    AttachType.CGROUP_UNIX_GETPEERNAME: "6.7",
    AttachType.CGROUP_UNIX_GETSOCKNAME: "6.7",
    AttachType.TRACE_KPROBE_SESSION: "6.10",
    AttachType.TRACE_UPROBE_SESSION: "6.13",
    AttachType.TRACE_FSESSION: "7.0",
}
PROGRAM_TYPES = {
    ProgramType.STRUCT_OPS: "5.6",
    ProgramType.EXT: "5.6",
    ProgramType.LSM: "5.7",
    ProgramType.SK_LOOKUP: "5.9",
    ProgramType.SYSCALL: "5.14",
    ProgramType.NETFILTER: "6.4",
}
# What iterators walk: the functions bpf_iter_TARGET that DEFINE_BPF_ITER_FUNC makes.
ITERATORS = {
    "task": "5.8",
    "task_file": "5.8",
    "bpf_map": "5.8",
    "bpf_map_elem": "5.9",
    "bpf_prog": "5.9",
    "bpf_sk_storage_map": "5.9",
    "tcp": "5.9",
    "udp": "5.9",
    "sockmap": "5.10",
    "task_vma": "5.12",
    "unix": "5.15",
    "bpf_link": "5.19",
    "ksym": "6.0",
    "cgroup": "6.1",
    "kmem_cache": "6.13",
    "dmabuf": "6.16",
}

# By type: their members are equal to each other where their numbers are. The enum in
# linux/bpf.h, and what stands before the names there.
_ENUMS: dict[type[Kind], tuple[str, str, Mapping[Any, str]]] = {
    LinkType: ("bpf_link_type", "BPF_LINK_TYPE_", LINK_TYPES),
    AttachType: ("bpf_attach_type", "BPF_", ATTACH_TYPES),
    ProgramType: ("bpf_prog_type", "BPF_PROG_TYPE_", PROGRAM_TYPES),
}


def lacks(wanted: Kind) -> bool:
    """Whether the running kernel is known not to have a type; False where nobody can tell."""
    known = _known(type(wanted))
    return bool(known) and _kernel_name(wanted) not in known


def why_not(wanted: Kind) -> str:
    """What to tell the user about a type that this kernel lacks; "" if it does not lack it."""
    if not lacks(wanted):
        return ""
    since = _ENUMS[type(wanted)][2].get(wanted)
    came = f"came with Linux {since}" if since else "is not in this kernel"
    return f"{_kernel_name(wanted)} {came}."


@functools.cache
def lacks_function(name: str) -> bool:
    """Whether the running kernel is known not to have a function; False where nobody can tell."""
    from .btf import Btf
    from .errors import Error, NameNotFoundError

    try:
        with Btf.vmlinux() as kernel:
            kernel.find(name, "func")
    except NameNotFoundError:
        return True
    except (Error, OSError):
        return False
    return False


def _kernel_name(wanted: Kind) -> str:
    return _ENUMS[type(wanted)][1] + wanted.name


@functools.cache
def _known(kind: type[Kind]) -> frozenset[str]:
    """The enumerators of an enum in the kernel's BTF; empty where it has none."""
    from .btf import Btf
    from .errors import Error

    name = _ENUMS[kind][0]
    try:
        with Btf.vmlinux() as kernel:
            return frozenset(value.name for value in kernel.find(name, "enum").values)  # type: ignore[attr-defined]
    except (Error, OSError):
        return frozenset()
