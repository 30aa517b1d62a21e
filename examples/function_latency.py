# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Shows how long the calls of any kernel function take, as a histogram, by fentry and fexit.

Until Ctrl-C, or for --seconds. Needs root and a kernel with BPF trampolines (Linux 5.5).
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

import pylibbpf as bpf
from pylibbpf.programs import FEntry, FExit

OBJECT = Path(__file__).with_suffix(".bpf.o")


def main() -> None:
    options = parse_arguments()
    with bpf.Object.open(OBJECT) as obj, bpf.Btf.from_sys_fs() as btf:
        obj.variables["target_pid"].value = options.pid
        # The end first: what begins then is seen to end.
        for program in obj.program("on_return", FExit), obj.program("on_entry", FEntry):
            program.load(options.function, btf)
            program.attach()
        print(f"measuring {options.function}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            Event().wait(options.seconds)
        obj.detach()

        counts = obj.variables["histogram"].value
        print("\n".join(histogram(counts)))
        calls, total_ns = sum(counts), obj.variables["total_ns"].value
        mean = f", {total_ns / calls / 1e3:.1f} us each" if calls else ""
        print(f"{options.function}: {calls} calls{mean}")


def histogram(counts: Sequence[int]) -> Iterator[str]:
    """A line for each power of two between the first and the last that has a count."""
    yield f"{'NANOSECONDS':>23} {'CALLS':>8}"
    used = [bucket for bucket, count in enumerate(counts) if count]
    for bucket in range(used[0], used[-1] + 1) if used else ():
        bar = "#" * round(40 * counts[bucket] / max(counts))
        low, high = (1 << bucket if bucket else 0), (2 << bucket) - 1
        yield f"{low:>10} - {high:<10} {counts[bucket]:8} {bar}".rstrip()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("function", help="of the kernel: vfs_read; of a module: xfs:xfs_file_fsync")
    parser.add_argument("--pid", type=int, default=0, help="calls by this process only")
    parser.add_argument("--seconds", type=float, help="end after so many")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(
            f"function_latency: {error}\n"
            "  It needs root, and a kernel with BTF and BPF trampolines: Linux 5.5 on x86-64, 6.0 on arm64."
        )
    except (bpf.Error, OverflowError) as error:
        sys.exit(f"function_latency: {error}")
