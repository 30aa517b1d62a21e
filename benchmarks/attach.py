# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Attach and close of a link of each kind, against the same calls in C (attach.c)."""

from __future__ import annotations

import os
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
ROUNDS = 7

KINDS = ("iter", "tp_btf", "raw_tp", "tracepoint", "cgroup", "netns", "sockmap", "raw_link")

# A round has batches, and its figure is that of the fastest: what else the machine does only adds
# to it, and more to one side than to the other.
BATCHES, REPEATS = 30, 50
# A tracepoint is shown, and not judged: its close sleeps 40 ms, for grace periods of the kernel, and
# after that, as after the opening of its perf event, caches and TLB are empty, which costs Python more.
TRACEPOINT_BATCHES, TRACEPOINT_REPEATS = 15, 1
LIMIT = 8


def figures() -> list[Figure]:
    program = compile_c("attach")
    found = []
    with cgroup() as path:
        for kind in KINDS:
            judged = kind != "tracepoint"
            often = (BATCHES, REPEATS) if judged else (TRACEPOINT_BATCHES, TRACEPOINT_REPEATS)
            arguments = [str(OBJECT), kind, path, *map(str, often)]
            ours, theirs = in_turns(
                python("-m", "benchmarks.attach", *arguments), [str(program), *arguments], ROUNDS
            )
            micro = [[value / 1000 for value in values] for values in (ours, theirs)]
            name = f"attach and close of a link: {kind}"
            limit = LIMIT if judged else inf
            found.append(Figure(name, micro[0], micro[1], "us", limit, of_difference=True))
    return found


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


def main(path: Path, kind: str, cgroup: str, batches: int, repeats: int) -> None:
    """One round: the CPU time of one attach and close in the fastest batch, in nanoseconds."""
    import pylibbpf as bpf

    with bpf.Object.open(path) as obj:
        obj.load()
        attach = attaching(obj, kind, cgroup)
        held = hold(obj, kind, attach)
        attach().close()
        times = []
        for _ in range(batches):
            start = time.process_time_ns()
            for _ in range(repeats):
                attach().close()
            times.append(time.process_time_ns() - start)
        for link in held:
            link.close()
    print(min(times) / repeats)


def attaching(obj: Any, kind: str, cgroup: str) -> Callable[[], Any]:
    """What attaches the program of a kind: as attach.c does."""
    from pylibbpf import link

    program = obj.programs["cgroup" if kind == "raw_link" else kind]
    cgroup_fd = os.open(cgroup, os.O_RDONLY | os.O_CLOEXEC)
    netns_fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    calls: dict[str, Callable[[], Any]] = {
        "iter": lambda: link.attach_iter(program),
        "tp_btf": lambda: link.attach_tracing(program),
        "raw_tp": lambda: link.attach_raw_tracepoint(program, "cgroup_rmdir"),
        "tracepoint": lambda: link.attach_tracepoint(program, "cgroup", "cgroup_rename"),
        "cgroup": lambda: link.attach_cgroup(program, cgroup_fd),
        "netns": lambda: link.attach_netns(program, netns_fd),
        "sockmap": lambda: link.attach_sockmap(program, obj.maps["sockets"]),
        "raw_link": lambda: link.attach_raw_link(program, cgroup_fd),
    }
    return calls[kind]


def hold(obj: Any, kind: str, attach: Callable[[], Any]) -> list[Any]:
    """Keeps links on the hook meanwhile, for the reason that attach.c has."""
    if kind == "sockmap":
        return []
    return [obj.programs["held"].attach()] if kind == "tracepoint" else [attach(), attach()]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
