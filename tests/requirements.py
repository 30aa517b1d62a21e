# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a test may need of the machine it runs on, by name.

``@pytest.mark.needs("fentry")`` names entries of this table, ``@pytest.mark.kernel("5.15", "words")`` a
kernel version; `require` and `require_kernel` say the same inside a test or fixture. No probe goes
through pylibbpf, so that a fault in pylibbpf cannot pass for a kernel that lacks something.

A new entry is a function of no arguments that returns a bool, under `requirement`, which takes the words for
what is missing and for where it can be had.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

VMLINUX_BTF = Path("/sys/kernel/btf/vmlinux")


class Unmet(pytest.skip.Exception):  # type: ignore[misc,name-defined]
    """Skips a test for what this machine lacks. No other skip is allowed: see tests/kernels/plugin.py."""

    # pytest prints an exception's name before its words, except for its own.
    __module__ = "builtins"
    __qualname__ = "Skipped"


@dataclass(frozen=True)
class Requirement:
    """An entry of the table: the words for it, where it can be had, and the probe."""

    words: str
    found: str
    probe: Callable[[], bool]


REQUIREMENTS: dict[str, Requirement] = {}


def requirement(name: str, words: str, *, found: str) -> Callable[[Callable[[], bool]], Callable[[], bool]]:
    """Put a probe into the table, under `name`; it runs once, when the first test asks."""

    def register(probe: Callable[[], bool]) -> Callable[[], bool]:
        cached = functools.cache(probe)
        REQUIREMENTS[name] = Requirement(words, found, cached)
        return cached

    return register


def require(*names: str) -> None:
    """Skip the test unless all these entries of the table hold."""
    for name in names:
        if name not in REQUIREMENTS:
            raise LookupError(
                f"{name!r} is not in tests/requirements.py, which has {', '.join(sorted(REQUIREMENTS))}"
            )
        entry = REQUIREMENTS[name]
        if not entry.probe():
            raise Unmet(f"needs {entry.words} (found on: {entry.found})")


def require_kernel(version: str, words: str) -> None:
    """Skip the test on a kernel older than `version`, "major.minor", which brought what `words` say."""
    if kernel_version() < parse_version(version):
        raise Unmet(f"needs {words}, since Linux {version}; this is {platform.release()}")


def parse_version(version: str) -> tuple[int, int]:
    """Return "5.15" as (5, 15)."""
    major, minor = version.split(".")
    return int(major), int(minor)


def kernel_version() -> tuple[int, int]:
    """Return the running kernel's version, to the minor number."""
    major, minor, *_ = platform.release().split(".")
    return int(major), int(minor)


# What the user may do


@requirement("root", "root", found="every kernel of the matrix")
def root() -> bool:
    return os.geteuid() == 0


@requirement("sys_resource", "CAP_SYS_RESOURCE", found="every kernel of the matrix; not in many containers")
def sys_resource() -> bool:
    return has_capability(24)


def has_capability(number: int) -> bool:
    """Say whether the process has a capability in effect; `number` is that of linux/capability.h."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return bool(effective >> number & 1)


@requirement(
    "own_kernel", "a kernel that nobody else uses, to change its settings", found="5.10, 6.1, 6.12, 7.x"
)
def own_kernel() -> bool:
    return Path("/modules").is_dir()  # tests/kernels/init


@requirement("cpu_hotplug", "a second CPU that may be switched off", found="5.10, 6.1, 6.12, 7.x")
def cpu_hotplug() -> bool:
    return own_kernel() and Path("/sys/devices/system/cpu/cpu1/online").exists()


# File systems: that the kernel has them and the user could mount them, not that they are mounted


@requirement("bpffs", "the BPF file system", found="every kernel of the matrix")
def bpffs() -> bool:
    return can_mount("bpf")


@requirement("tracefs", "tracefs", found="every kernel of the matrix")
def tracefs() -> bool:
    return can_mount("tracefs")


@requirement("cgroup2", "cgroup v2", found="every kernel of the matrix")
def cgroup2() -> bool:
    return can_mount("cgroup2")


def can_mount(file_system: str) -> bool:
    """Say whether the kernel has a file system, and it is mounted or the user may mount it."""
    mounted = any(
        line.split()[2] == file_system for line in Path("/proc/self/mounts").read_text().splitlines()
    )
    known = file_system in Path("/proc/filesystems").read_text().split()
    return mounted or (known and root())


# Type information and modules


@requirement("vmlinux_btf", f"the kernel's BTF, {VMLINUX_BTF}", found="every kernel of the matrix")
def vmlinux_btf() -> bool:
    return VMLINUX_BTF.exists()


@requirement("modules", "loadable modules", found="5.10, 6.1, 6.12, 7.x")
def modules() -> bool:
    return Path("/proc/modules").exists()


@requirement("module_btf", "BTF of a loaded module, since Linux 5.11", found="6.1, 6.12, 7.x")
def module_btf() -> bool:
    return VMLINUX_BTF.exists() and any(path != VMLINUX_BTF for path in VMLINUX_BTF.parent.iterdir())


# Tracing


@requirement("fentry", "BPF trampolines (fentry, fexit, fmod_ret, lsm)", found="5.10, 6.1, 6.12, 7.x")
def fentry() -> bool:
    return vmlinux_btf() and can_load_fentry()


@requirement("no_fentry", "a kernel without BPF trampolines", found="6.18")
def no_fentry() -> bool:
    return not fentry()


@requirement("lockdown", "kernel lockdown, which ends with the next boot only", found="6.18")
def lockdown() -> bool:
    script = "mount -t securityfs securityfs /sys/kernel/security; exec cat /sys/kernel/security/lockdown"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, check=False)
    return b"[integrity]" in done.stdout or b"[confidentiality]" in done.stdout


@requirement("lsm", "the BPF LSM, with bpf in the kernel argument lsm=", found="5.10, 6.1, 6.12, 7.x")
def lsm() -> bool:
    active = Path("/sys/kernel/security/lsm")
    return active.exists() and "bpf" in active.read_text().split(",") and fentry()


@requirement("kprobe", "kprobes (CONFIG_KPROBE_EVENTS)", found="5.10, 6.1, 6.12, 7.x")
def kprobe() -> bool:
    return perf_source("kprobe")


@requirement("no_kprobe", "a kernel without kprobes", found="6.18")
def no_kprobe() -> bool:
    return not kprobe()


@requirement("uprobe", "uprobes (CONFIG_UPROBE_EVENTS)", found="every kernel of the matrix")
def uprobe() -> bool:
    return perf_source("uprobe")


@requirement("kprobe_multi", "kprobe.multi (Linux 5.18 with CONFIG_FPROBE)", found="6.12, 7.x")
def kprobe_multi() -> bool:
    return kernel_knows("register_fprobe_ips")


@requirement("no_kprobe_multi", "a kernel without kprobe.multi", found="5.10, 6.1, 6.18")
def no_kprobe_multi() -> bool:
    return not kprobe_multi()


@requirement("no_pmu", "a machine without hardware performance counters", found="every kernel of the matrix")
def no_pmu() -> bool:
    return not pmu()


@requirement("uprobe_multi", "uprobe.multi, since Linux 6.6", found="6.12, 7.x, 6.18")
def uprobe_multi() -> bool:
    return kernel_knows("bpf_uprobe_multi_link_attach")


@requirement(
    "pmu", "a hardware performance counter unit", found="no kernel of the matrix: emulation has none"
)
def pmu() -> bool:
    return perf_source("cpu")


def perf_source(name: str) -> bool:
    """Say whether perf_event_open has a kind of event."""
    return Path("/sys/bus/event_source/devices", name).exists()


@requirement(
    "bpf_streams",
    "programs that write to their streams (bpf_stream_vprintk as of Linux 7.0, on a CPU with cmpxchg16b)",
    found="no kernel of the matrix: the guests' CPU has no cmpxchg16b",
)
def bpf_streams() -> bool:
    # Streams take their memory by kmalloc_nolock, which fails without.
    return kernel_knows("bpf_stream_vprintk") and " cx16 " in Path("/proc/cpuinfo").read_text()


# Network and devices


@requirement("tcx", "tcx, since Linux 6.6", found="6.12, 7.x, 6.18")
def tcx() -> bool:
    return kernel_knows("tcx_link_attach")


@requirement("clsact", "the clsact qdisc (CONFIG_NET_SCH_INGRESS)", found="every kernel of the matrix")
def clsact() -> bool:
    # Where it is a module, the guests have loaded it.
    return kernel_knows("ingress_init") or Path("/sys/module/sch_ingress").exists()


@requirement("act_bpf", "BPF actions of traffic control (CONFIG_NET_ACT_BPF)", found="5.10, 6.1, 6.12, 7.x")
def act_bpf() -> bool:
    return kernel_knows("tcf_bpf_act") or Path("/sys/module/act_bpf").exists()


@requirement("lwt", "BPF programs on routes (CONFIG_LWTUNNEL_BPF)", found="every kernel of the matrix")
def lwt() -> bool:
    return kernel_knows("bpf_lwt_xmit_reroute")


@requirement("seg6local", "segment routing by BPF (CONFIG_IPV6_SEG6_BPF)", found="every kernel of the matrix")
def seg6local() -> bool:
    return kernel_knows("input_action_end_bpf")


@requirement("iproute2", "ip and tc of iproute2; busybox's know no BPF", found="machines that have it")
def iproute2() -> bool:
    for program in ("ip", "tc"):
        found = shutil.which(program)
        if found is None:
            return False
        told = subprocess.run([found, "-V"], capture_output=True, text=True, check=False)
        if "iproute2" not in told.stdout:
            return False
    return True


@requirement("netkit", "netkit devices (Linux 6.7 with CONFIG_NETKIT)", found="6.12, 7.x")
def netkit() -> bool:
    return kernel_knows("netkit_link_attach")


@requirement(
    "netfilter", "BPF netfilter links (Linux 6.4 with CONFIG_NETFILTER_BPF_LINK)", found="6.12, 7.x, 6.18"
)
def netfilter() -> bool:
    return kernel_knows("bpf_nf_link_attach")


@requirement("sched_ext", "sched_ext (Linux 6.12 with CONFIG_SCHED_CLASS_EXT)", found="7.x")
def sched_ext() -> bool:
    return Path("/sys/kernel/sched_ext").exists()


@requirement("lirc", "LIRC (CONFIG_BPF_LIRC_MODE2)", found="no kernel of the matrix: none has the RC core")
def lirc() -> bool:
    return kernel_knows("lirc_prog_attach")


# The libbpf in use


def libbpf_version() -> tuple[int, int]:
    """Return its major and minor number."""
    from pylibbpf import lib

    return lib.libbpf_major_version(), lib.libbpf_minor_version()


@requirement(
    "prepare", "bpf_object__prepare, since libbpf 1.6", found="every kernel: the vendored libbpf has it"
)
def prepare() -> bool:
    return libbpf_version() >= (1, 6)


@requirement(
    "libbpf_1_3",
    "what libbpf has since 1.3: positions of rings, orders of programs, sections of tcx, struct_ops links",
    found="every kernel: the vendored libbpf has it",
)
def libbpf_1_3() -> bool:
    return libbpf_version() >= (1, 3)


@requirement(
    "libbpf_1_7",
    "what libbpf has since 1.7: streams of programs, probes for new types of maps",
    found="every kernel: the vendored libbpf has it",
)
def libbpf_1_7() -> bool:
    return libbpf_version() >= (1, 7)


@requirement(
    "attach_mode",
    "attach modes of kprobes and uprobes, since libbpf 1.2",
    found="every kernel: the vendored libbpf has them",
)
def attach_mode() -> bool:
    return libbpf_version() >= (1, 2)


@requirement(
    "hardened_btf_dump",
    "a libbpf whose C dump survives broken BTF; 1.1's does not",
    found="every kernel: the vendored libbpf does",
)
def hardened_btf_dump() -> bool:
    return prepare()


# Python


@requirement("numpy", "NumPy", found="the host; the guests go without")
def numpy() -> bool:
    return importlib.util.find_spec("numpy") is not None


@requirement("pyelftools", "pyelftools", found="the host; the guests go without")
def pyelftools() -> bool:
    return importlib.util.find_spec("elftools") is not None


@requirement("prometheus_client", "prometheus_client", found="the host; the guests go without")
def prometheus_client() -> bool:
    return importlib.util.find_spec("prometheus_client") is not None


@requirement("sphinx", "Sphinx", found="the host; the guests go without")
def sphinx() -> bool:
    return importlib.util.find_spec("sphinx") is not None


# The kernel's own word


def kernel_knows(function: str) -> bool:
    """Say whether the kernel was built with a function: whether its BTF has the name."""
    return vmlinux_btf() and f"\0{function}\0".encode() in btf()


@functools.cache
def btf() -> bytes:
    """Return the kernel's BTF."""
    return VMLINUX_BTF.read_bytes()


def btf_function_id(function: str) -> int:
    """Return the id of a function in the kernel's BTF: Documentation/bpf/btf.rst."""
    data = btf()
    header_size, types, types_size, strings, _ = struct.unpack_from("<5I", data, 4)
    first_string = header_size + strings
    name_offset = data.find(f"\0{function}\0".encode(), first_string) + 1 - first_string
    function_kind = 12
    # Bytes after the three words of each type, by kind: a constant, and as many for each member.
    constant = {1: 4, 3: 12, 14: 4, 17: 4}  # INT, ARRAY, VAR, DECL_TAG
    per_member = {
        4: 12,
        5: 12,
        6: 8,
        13: 8,
        15: 12,
        19: 12,
    }  # STRUCT, UNION, ENUM, FUNC_PROTO, DATASEC, ENUM64
    position, end = header_size + types, header_size + types + types_size
    unpack = struct.Struct("<2I").unpack_from
    type_id = 1
    while position < end:
        name, info = unpack(data, position)
        kind = info >> 24 & 0x1F
        if kind == function_kind and name == name_offset:
            return type_id
        position += 12 + constant.get(kind, 0) + per_member.get(kind, 0) * (info & 0xFFFF)
        type_id += 1
    raise LookupError(f"no function {function} in {VMLINUX_BTF}")


class ProgramLoad(ctypes.Structure):
    """union bpf_attr of BPF_PROG_LOAD, as far as `can_load_fentry` goes: include/uapi/linux/bpf.h."""

    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_void_p),
        ("license", ctypes.c_char_p),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_void_p),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_name", ctypes.c_char * 16),
        ("prog_ifindex", ctypes.c_uint32),
        ("expected_attach_type", ctypes.c_uint32),
        ("prog_btf_fd", ctypes.c_uint32),
        ("func_info_rec_size", ctypes.c_uint32),
        ("func_info", ctypes.c_void_p),
        ("func_info_cnt", ctypes.c_uint32),
        ("line_info_rec_size", ctypes.c_uint32),
        ("line_info", ctypes.c_void_p),
        ("line_info_cnt", ctypes.c_uint32),
        ("attach_btf_id", ctypes.c_uint32),
    )


def can_load_fentry() -> bool:
    """Load a program that enters bpf_fentry_test1: some kernels have all the parts and still refuse."""
    return_zero = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)  # r0 = 0; exit
    instructions = ctypes.create_string_buffer(return_zero)
    attribute = ProgramLoad(
        prog_type=26,  # BPF_PROG_TYPE_TRACING
        expected_attach_type=24,  # BPF_TRACE_FENTRY
        insns=ctypes.addressof(instructions),
        insn_cnt=2,
        license=b"GPL",
        attach_btf_id=btf_function_id("bpf_fentry_test1"),
    )
    bpf = ctypes.c_long({"x86_64": 321, "s390x": 351, "ppc64le": 361}.get(platform.machine(), 280))
    bpf_prog_load = 5
    fd: int = ctypes.CDLL(None).syscall(bpf, bpf_prog_load, ctypes.byref(attribute), ctypes.sizeof(attribute))
    if fd < 0:
        return False
    os.close(fd)
    return True
