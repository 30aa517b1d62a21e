# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attach and close of a link of each kind, against the same calls in C (attach.c).

`python -m benchmarks.guest` measures those that this machine cannot attach.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any

from .harness import HERE, Figure, compile_c, in_turns, python

OBJECT = HERE / "attach.bpf.o"
OBJECT_OF_STRUCT_OPS = HERE / "attach_struct_ops.bpf.o"
ROUNDS = 7

# A round has batches, and its figure is that of the fastest: what else the machine does only adds
# to it, and more to one side than to the other.
BATCHES, REPEATS = 30, 50
LIMIT = 8
JUDGED = (
    *("iter", "tp_btf", "raw_tp", "perf_event", "cgroup", "netns", "sockmap", "socket_filter", "raw_link"),
    "netfilter",
)
# These are shown, and not judged: the kernel waits for grace periods as it closes them, 3 ms for XDP,
# 40 ms for a tracepoint and 200 ms for a uprobe, or patches its code. After that caches and TLB
# are empty, which costs Python more than C: a link that takes no time to close, after a sleep, shows it.
WAITED = "raw_link after 3 ms of sleep"
SLOW = (WAITED, "struct_ops", "xdp", "tcx", "tracepoint", "uprobe", "uprobe_multi")
# How many batches and attachments in each, of those that wait.
WAITING = {
    "struct_ops": (15, 10),
    "netfilter": (15, 10),
    WAITED: (15, 5),
    "xdp": (15, 5),
    "tcx": (15, 1),
    "tracepoint": (15, 1),
}
VERY_SLOW = (4, 1)
# All functions that a pattern matches, a thousand at least: our work must not show next to the kernel's.
PATTERN = "kprobe_multi_pattern"
PATTERN_LIMIT = 1.1
# The programs of kinds that have none of their own.
PROGRAMS = {"raw_link": "cgroup", WAITED: "cgroup", PATTERN: "kprobe_multi"}
# What the machine that CI runs on does not have.
IN_GUESTS: tuple[str, ...] = ("raw_tp", "fentry", "lsm", "netkit")


def figures() -> list[Figure]:
    program = compile_c("attach")
    return measured(program, JUDGED, SLOW, LIMIT)


def measured(
    program: Path, kinds: tuple[str, ...], slow: tuple[str, ...], limit: float, rounds: int = ROUNDS
) -> list[Figure]:
    """The figures of kinds against a program of C; `slow` are attached seldom, and not judged."""
    found = []
    with cgroup() as path:
        for kind in (*kinds, *slow):
            often = WAITING.get(kind, VERY_SLOW if kind in slow else (BATCHES, REPEATS))
            path_of_object = OBJECT_OF_STRUCT_OPS if kind == "struct_ops" else OBJECT
            arguments = [str(path_of_object), kind, path, *place_of(kind), *map(str, often)]
            ours, theirs = in_turns(
                in_namespace(python("-m", "benchmarks.attach", *arguments)),
                in_namespace([str(program), *arguments]),
                rounds,
            )
            micro = [[value / 1000 for value in values] for values in (ours, theirs)]
            name = f"attach and close of a link: {kind}"
            judged = PATTERN_LIMIT if kind == PATTERN else inf if kind in slow else limit
            found.append(Figure(name, micro[0], micro[1], "us", judged, of_difference=kind != PATTERN))
    return found


def in_namespace(command: list[str]) -> list[str]:
    """A command in a network namespace of its own, with the devices that programs attach to.

    The kernel calls the peer of a netkit device nk0 by itself, so that the device needs another name.
    """
    script = (
        "ip link set lo up; ip link add v0 type veth peer name v1; "
        'ip link add netkit0 type netkit 2>/dev/null; exec "$0" "$@"'
    )
    return ["unshare", "--net", "sh", "-c", script, *command]


def libc_and_offset() -> tuple[str, str]:
    """The path of libc, and where a function that nobody calls lies in that file, in bytes."""
    import ctypes

    libc = ctypes.CDLL("libc.so.6")
    address = ctypes.cast(libc.sethostname, ctypes.c_void_p).value or 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        area, _, offset, *rest = line.split(None, 5)
        start, end = (int(number, 16) for number in area.split("-"))
        if start <= address < end:
            return rest[-1], str(address - start + int(offset, 16))
    raise LookupError("libc is not mapped")


def place_of(kind: str) -> tuple[str, str]:
    """What the probe of a kind is put on: a pattern of functions, or a file and an offset."""
    if kind != PATTERN:
        return libc_and_offset()
    from tests.link.functions import pattern_of_a_thousand

    return pattern_of_a_thousand(), "0"


@contextmanager
def cgroup() -> Iterator[str]:
    """A cgroup of our own, in a hierarchy that is mounted for it."""
    with tempfile.TemporaryDirectory() as root:
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", root], check=True)
        path = os.path.join(root, f"pylibbpf-benchmark-{os.getpid()}")
        os.mkdir(path)
        try:
            yield path
        finally:
            os.rmdir(path)
            subprocess.run(["umount", root], check=True)


# --- a round ----------------------------------------------------------------------------------


def main(path: Path, kind: str, cgroup: str, libc: str, offset: int, batches: int, repeats: int) -> None:
    """One round: the CPU time of one attach and close in the fastest batch, in nanoseconds."""
    import pylibbpf as bpf

    with bpf.Object.open(path) as obj, contextlib.ExitStack() as stack:
        wanted = (name_of(kind), f"held_{kind}")
        for program in obj.programs.values():
            program.autoload = program.name in wanted or kind == "struct_ops"
        obj.load()
        attach = attaching(obj, kind, cgroup, (libc, offset), stack)
        for link in held(obj, kind, attach):
            stack.enter_context(link)
        attach().close()
        times = []
        for _ in range(batches):
            start = time.process_time_ns()
            for _ in range(repeats):
                attach().close()
            times.append(time.process_time_ns() - start)
    print(min(times) / repeats)


def name_of(kind: str) -> str:
    """The program that is measured."""
    return f"on_{PROGRAMS.get(kind, kind)}"


def attaching(
    obj: Any, kind: str, cgroup: str, place: tuple[str, int], stack: contextlib.ExitStack
) -> Callable[[], Any]:
    """What attaches the program of a kind: as attach.c does."""
    from pylibbpf import link, open_perf_event
    from pylibbpf.enums import NetfilterFamily, NetfilterHook, SoftwareEvent

    program = obj.programs.get(name_of(kind))
    cgroup_fd = os.open(cgroup, os.O_RDONLY | os.O_CLOEXEC)
    netns_fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    for fd in (cgroup_fd, netns_fd):
        stack.callback(os.close, fd)
    sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    event = stack.enter_context(open_perf_event(SoftwareEvent.PAGE_FAULTS, period=1000000000, pid=0))
    family, hook = NetfilterFamily.IPV4, NetfilterHook.LOCAL_IN
    loopback = socket.if_nametoindex("lo")
    calls: dict[str, Callable[[], Any]] = {
        "iter": lambda: link.attach_iter(program),
        "tp_btf": lambda: link.attach_tracing(program),
        "fentry": lambda: link.attach_tracing(program),
        "lsm": lambda: link.attach_lsm(program),
        "raw_tp": lambda: link.attach_raw_tracepoint(program, "cgroup_rmdir"),
        "tracepoint": lambda: link.attach_tracepoint(program, "cgroup", "cgroup_rename"),
        "perf_event": lambda: link.attach_perf_event(program, event),
        "kprobe": lambda: link.attach_kprobe(program, "bpf_fentry_test1"),
        "kprobe_multi": lambda: link.attach_kprobe_multi(program, functions=["bpf_fentry_test1"]),
        PATTERN: lambda: link.attach_kprobe_multi(program, place[0]),
        "uprobe": lambda: link.attach_uprobe(program, place[0], offset=place[1], pid=0),
        "uprobe_multi": lambda: link.attach_uprobe_multi(program, place[0], offsets=[place[1]], pid=0),
        "cgroup": lambda: link.attach_cgroup(program, cgroup_fd),
        "netns": lambda: link.attach_netns(program, netns_fd),
        "sockmap": lambda: link.attach_sockmap(program, obj.maps["sockets"]),
        "socket_filter": lambda: link.attach_socket_filter(program, sock),
        "raw_link": lambda: link.attach_raw_link(program, cgroup_fd),
        WAITED: lambda: after_a_wait(calls["raw_link"]),
        "struct_ops": lambda: link.attach_struct_ops(obj.maps["on_struct_ops"]),
        "xdp": lambda: link.attach_xdp(program, loopback),
        "tcx": lambda: link.attach_tcx(program, loopback),
        "netkit": lambda: link.attach_netkit(program, "netkit0"),
        "netfilter": lambda: link.attach_netfilter(program, family=family, hook=hook, priority=1),
    }
    return calls[kind]


def after_a_wait(attach: Callable[[], Any]) -> Any:
    time.sleep(0.003)
    return attach()


def held(obj: Any, kind: str, attach: Callable[[], Any]) -> list[Any]:
    """Links that stay on the hook meanwhile, for the reason that attach.c has."""
    from pylibbpf.enums import NetfilterFamily, NetfilterHook

    programs = obj.programs
    if kind == "tcx":
        return [programs["held_tcx"].attach("lo")]
    if kind == "netkit":
        return [programs["held_netkit"].attach("netkit0")]
    if f"held_{kind}" in programs:
        return [programs[f"held_{kind}"].attach()]
    if kind == "netfilter":
        where = {"family": NetfilterFamily.IPV4, "hook": NetfilterHook.LOCAL_IN}
        return [programs[name_of(kind)].attach(**where, priority=priority) for priority in (2, 3)]
    if kind == "xdp":
        return [programs[name_of(kind)].attach("v0")]
    twice = ("iter", "tp_btf", "raw_tp", "cgroup", "netns", "raw_link", WAITED)
    return [attach(), attach()] if kind in twice else []


if __name__ == "__main__":
    if sys.argv[1] == "guest":
        from .guest import run

        run(*sys.argv[2:])
        sys.exit()
    main(Path(sys.argv[1]), *sys.argv[2:5], *map(int, sys.argv[5:8]))  # type: ignore[arg-type]
