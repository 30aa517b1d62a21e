# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Lists the open files of all processes, or of one, by a BPF iterator that writes typed records.

Needs root and Linux 5.8; before 5.12 it knows the last name of each path only.
"""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pylibbpf as bpf
from pylibbpf.programs import Iter

OBJECT = Path(__file__).with_suffix(".bpf.o")
TYPES = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFCHR: "device", stat.S_IFBLK: "disk",
    stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket",
}  # fmt: skip


def main() -> None:
    options = parse_arguments()
    with load(options.pid) as obj:
        print(f"{'PID':>8} {'COMMAND':<16} {'FD':>5} {'TYPE':<9} {'DEVICE':>8} {'INODE':>10} PATH")
        file = None
        for file in records(obj):
            kind = TYPES.get(stat.S_IFMT(file.mode), "other")
            device = f"{file.device >> 20}:{file.device & 0xFFFFF}"
            print(
                f"{file.pid:8} {file.comm.decode(errors='replace'):<16} {file.fd:5}"
                f" {kind:<9} {device:>8} {file.inode:10} {os.fsdecode(file.path)}"
            )
        if file is None:
            print(f"open_files: there is no process {options.pid}, or it has no open files", file=sys.stderr)


def load(pid: int) -> bpf.Object:
    """The loaded object, with whole paths if this kernel can tell them."""
    try:
        return load_with(pid, whole_paths=True)
    except bpf.VerifierError:
        return load_with(pid, whole_paths=False)


def load_with(pid: int, *, whole_paths: bool) -> bpf.Object:
    obj = bpf.Object.open(OBJECT)
    try:
        obj.variables["target_pid"].value = pid
        obj.variables["whole_paths"].value = whole_paths
        obj.load()
    except BaseException:
        obj.close()
        raise
    return obj


def records(obj: bpf.Object) -> Iterator[Any]:
    """What the program writes, as instances of its struct."""
    assert obj.btf is not None  # the program was compiled with -g
    codec = obj.btf.codec("struct open_file")
    with obj.program("list_files", Iter).attach() as link, link.open("rb") as file:
        while data := file.read(codec.size):
            yield codec.decode(data)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid", type=int, default=0, help="of this process only")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # head(1) may end it
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"open_files: {error}\n  It needs root, and Linux 5.8 or newer with BTF.")
    except (bpf.Error, OverflowError) as error:
        sys.exit(f"open_files: {error}")
