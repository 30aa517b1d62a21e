# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Why the kernel may have said no: capabilities, lockdown, sysctls. Read only after a refusal."""

from __future__ import annotations

# include/uapi/linux/capability.h
_CAPABILITIES = {
    "CAP_BPF": 39,
    "CAP_PERFMON": 38,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_ADMIN": 21,
}


def held_capabilities() -> frozenset[str]:
    """Those of this thread's effective capabilities that matter to BPF."""
    for line in _read("/proc/thread-self/status").splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
            return frozenset(name for name, number in _CAPABILITIES.items() if mask >> number & 1)
    return frozenset()


def what_stands_in_the_way() -> str:
    """What is likely to have caused an EPERM or EACCES, as advice; "" when nothing can be told."""
    held = held_capabilities()
    if "CAP_SYS_ADMIN" not in held:
        missing = [name for name in ("CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN") if name not in held]
        if missing:
            return (
                f"This process lacks {', '.join(missing)}: run it as root, or grant CAP_BPF, with "
                "CAP_PERFMON for tracing and CAP_NET_ADMIN for networking programs."
            )
    if level := lockdown():
        return (
            f"Kernel lockdown is '{level}', which forbids some BPF programs and helpers to root as well "
            "(kernel_lockdown(7))."
        )
    return ""


def lockdown() -> str:
    """The level of kernel lockdown, "integrity" or "confidentiality"; "" for none or if nobody can tell."""
    level = _selected(_read("/sys/kernel/security/lockdown"))
    return "" if level == "none" else level


def may_trace() -> bool:
    """Whether this process has the capabilities that programs on kernel functions need."""
    held = held_capabilities()
    return "CAP_SYS_ADMIN" in held or {"CAP_BPF", "CAP_PERFMON"} <= held


def needs_sys_admin(what: str) -> str:
    """That something takes CAP_SYS_ADMIN, for a process without; "" for one that has it."""
    if "CAP_SYS_ADMIN" in held_capabilities():
        return ""
    return f"{what} takes CAP_SYS_ADMIN, which this process lacks; CAP_BPF is not enough."


def perf_event_paranoid() -> str:
    """What kernel.perf_event_paranoid has to do with it; "" for a process that it does not hold for."""
    if held_capabilities() & {"CAP_PERFMON", "CAP_SYS_ADMIN"}:
        return ""
    level = _read("/proc/sys/kernel/perf_event_paranoid").strip()
    return f"kernel.perf_event_paranoid is {level}: perf events of the whole system need CAP_PERFMON."


def _selected(choices: str) -> str:
    """The choice in brackets: "integrity" of "none [integrity] confidentiality"."""
    return choices.partition("[")[2].partition("]")[0]


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
