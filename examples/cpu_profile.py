# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Profiles the CPUs: samples stacks by a timer, and writes them folded, as flame graphs take them.

Each line is a command, its functions from the outermost to the innermost, those of the kernel with _[k], and
how often it was seen. Until Ctrl-C, or for --seconds. Needs root and Linux 4.9, and for names in user space
pyelftools: pip install '.[symbols]'.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

import pylibbpf as bpf
from pylibbpf.enums import SoftwareEvent
from pylibbpf.maps import HashMap, StackTrace
from pylibbpf.programs import PerfEvent
from pylibbpf.symbols import Frame, KernelSymbols, ProcessSymbols

OBJECT = Path(__file__).with_suffix(".bpf.o")


class Profile:
    """The samples of an object, and the names of what was executed."""

    def __init__(self, obj: bpf.Object) -> None:
        self.stacks, self.samples = obj.map("stacks", StackTrace), obj.map("samples", HashMap)
        self.kernel = KernelSymbols()
        self.processes: dict[int, ProcessSymbols | None] = {}

    def meet_processes(self) -> None:
        """Reads what is mapped where by processes that are new: that can be told while they live."""
        for pid in {sample.pid for sample in self.samples} - self.processes.keys():
            try:
                self.processes[pid] = ProcessSymbols(pid)
            except (bpf.NotFoundError, ImportError):  # it has ended; there is no pyelftools
                self.processes[pid] = None

    def folded(self) -> Counter[str]:
        """Each stack as a line, and how often it was seen. Several may look the same by their names."""
        lines: Counter[str] = Counter()
        for sample, count in self.samples.items():
            symbols = self.processes.get(sample.pid)
            user = self.addresses(sample.user_stack)
            names = [name(frame) for frame in (symbols.stack(user) if symbols else map(Frame, user))]
            inside = [
                f"{name(frame)}_[k]" for frame in self.kernel.stack(self.addresses(sample.kernel_stack))
            ]
            comm = sample.comm.decode(errors="replace")
            lines[";".join([comm, *reversed(names), *reversed(inside)])] += count
        return lines

    def addresses(self, stack: int) -> Sequence[int]:
        return self.stacks[stack] if stack >= 0 else ()


def name(frame: Any) -> str:
    """The function of a frame; the file for one without a name."""
    return frame.symbol.name if frame.symbol else f"[{frame.file.rpartition('/')[2] or 'unknown'}]"


def main() -> None:
    options = parse_arguments()
    with bpf.Object.open(OBJECT) as obj:
        obj.load()
        profile = Profile(obj)
        program = obj.program("take_sample", PerfEvent)
        with bpf.PerfEvents(program, SoftwareEvent.CPU_CLOCK, frequency=options.frequency, pid=options.pid):
            print("taking samples", file=sys.stderr, flush=True)
            deadline = time.monotonic() + options.seconds
            with contextlib.suppress(KeyboardInterrupt):
                while (left := deadline - time.monotonic()) > 0:
                    time.sleep(min(left, 0.5))
                    profile.meet_processes()
        profile.meet_processes()
        lines = profile.folded()
        for line, count in lines.most_common():
            print(f"{line} {count}")
        print(f"{lines.total()} samples of {len(lines)} stacks", file=sys.stderr)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid", type=int, help="this process only, with what it starts")
    parser.add_argument("--frequency", type=int, default=99, metavar="HERTZ", help="samples in a second (99)")
    parser.add_argument("--seconds", type=float, default=inf, help="end after so many")
    options = parser.parse_args()
    if options.frequency < 1:
        parser.error("--frequency takes 1 or more")
    return options


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"cpu_profile: {error}\n  It needs root, and Linux 4.9 or newer with BTF.")
    except (bpf.Error, OverflowError) as error:
        sys.exit(f"cpu_profile: {error}")
