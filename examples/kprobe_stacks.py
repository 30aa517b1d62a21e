# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Shows who calls a kernel function, by stack traces with names: a kprobe, a map of stacks, kernel symbols.

Until Ctrl-C, or for --seconds. Needs root and a kernel with kprobes (Linux 4.6).
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from pathlib import Path
from threading import Event

import pylibbpf as bpf
from pylibbpf.maps import HashMap, StackTrace
from pylibbpf.programs import KProbe

OBJECT = Path(__file__).with_suffix(".bpf.o")


def main() -> None:
    options = parse_arguments()
    with bpf.Object.open(OBJECT) as obj:
        obj.variables["target_pid"].value = options.pid
        obj.load()
        obj.program("on_call", KProbe).attach(options.function)
        print(f"waiting for calls of {options.function}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            Event().wait(options.seconds)
        obj.detach()

        stacks, calls = obj.map("stacks", StackTrace), obj.map("calls", HashMap)
        symbols = bpf.symbols.KernelSymbols()
        found = sorted(calls.items(), key=lambda item: -item[1])
        for caller, count in found[: options.top]:
            print(f"\n{count} by {caller.comm.decode(errors='replace')}")
            # Two stacks may want the same place in the map: the kernel drops one of them.
            frames = (
                symbols.stack(stacks[caller.stack]) if caller.stack >= 0 else ["no stack: no place for it"]
            )
            for frame in frames:
                print(f"    {frame}")
        print(f"\n{sum(count for _, count in found)} calls, {len(found)} callers")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("function", help="of the kernel: vfs_fsync_range")
    parser.add_argument("--pid", type=int, default=0, help="calls by this process only")
    parser.add_argument("--top", type=int, default=10, metavar="COUNT", help="how many callers to show (10)")
    parser.add_argument("--seconds", type=float, help="end after so many")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"kprobe_stacks: {error}\n  It needs root, and a kernel with BTF and kprobes.")
    except (bpf.Error, OverflowError) as error:
        sys.exit(f"kprobe_stacks: {error}")
