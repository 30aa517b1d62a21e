# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Shows how long system calls take: a histogram of all, and the calls that took the most time.

The kernel counts, and this process sleeps until Ctrl-C, or for --seconds. Needs root and Linux 5.5.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

import pylibbpf as bpf
from pylibbpf.maps import HashMap

OBJECT = Path(__file__).with_suffix(".bpf.o")


def main() -> None:
    options = parse_arguments()
    with bpf.Object.open(OBJECT) as obj:
        obj.variables["target_pid"].value = options.pid
        obj.variables["minimum_ns"].value = options.minimum * 1000
        obj.load()
        obj.attach()
        print("measuring system calls", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            Event().wait(options.seconds)
        obj.detach()

        print("\n".join(histogram(obj.variables["histogram"].value)))
        print(f"\n{'SYSTEM CALL':<20} {'CALLS':>8} {'TOTAL (ms)':>12} {'MEAN (us)':>12} {'LONGEST (us)':>12}")
        names = syscall_names()
        found = sorted(obj.map("syscalls", HashMap).items(), key=lambda item: -item[1].total_ns)
        for number, call in found[: options.top]:
            print(
                f"{names.get(number, f'number {number}'):<20} {call.calls:8} {call.total_ns / 1e6:12.3f}"
                f" {call.total_ns / call.calls / 1e3:12.1f} {call.longest_ns / 1e3:12.1f}"
            )


def histogram(counts: Sequence[int]) -> Iterator[str]:
    """A line for each power of two between the first and the last that has a count."""
    yield f"{'MICROSECONDS':>23} {'CALLS':>8}"
    used = [bucket for bucket, count in enumerate(counts) if count]
    for bucket in range(used[0], used[-1] + 1) if used else ():
        bar = "#" * round(40 * counts[bucket] / max(counts))
        low, high = (1 << bucket if bucket else 0), (2 << bucket) - 1
        yield f"{low:>10} - {high:<10} {counts[bucket]:8} {bar}".rstrip()


def syscall_names() -> dict[int, str]:
    """The names of system calls by number, where the C library's headers are there to tell them."""
    # Where Debian and its like have the headers, and where others do.
    for directory in (f"/usr/include/{sysconfig.get_config_var('MULTIARCH')}", "/usr/include"):
        with contextlib.suppress(FileNotFoundError):
            text = Path(directory, "asm/unistd_64.h").read_text()
            return {int(found[2]): found[1] for found in re.finditer(r"__NR_(\w+)\s+(\d+)", text)}
    return {}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid", type=int, default=0, help="of this process only")
    parser.add_argument(
        "--minimum", type=int, default=0, metavar="US", help="calls that take so many microseconds"
    )
    parser.add_argument("--top", type=int, default=10, metavar="COUNT", help="how many calls to list (10)")
    parser.add_argument("--seconds", type=float, help="end after so many")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"slow_syscalls: {error}\n  It needs root, and Linux 5.5 or newer with BTF.")
    except (bpf.Error, OverflowError) as error:
        sys.exit(f"slow_syscalls: {error}")
