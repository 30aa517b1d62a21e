# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""python -m benchmarks.guest [KERNEL [KIND ...]]: attach and close of what the host cannot, in a guest.

The kernel is one of those of `make test-kernels`, by default 6.12. Under emulation only the comparison with
the same calls in C says something, and with a kind that the host attaches as well.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
import tempfile
from math import inf
from pathlib import Path

from .attach import IN_GUESTS, PATTERN, measured
from .harness import BUILD, ROOT, compile_c
from .report import table

DEADLINE = 1800
KINDS = (*IN_GUESTS, "kprobe", "kprobe_multi", PATTERN)


def run(*kinds: str) -> None:
    """In the guest: measures one kind after the other, and prints each."""
    for kind in kinds:
        slow = (kind,) if kind.startswith("kprobe") else ()  # the kernel waits as it closes them
        judged = () if slow else (kind,)
        print(table(measured(BUILD / "attach", judged, slow, inf, rounds=2)), flush=True)


def main(name: str = "6.12", *kinds: str) -> int:
    """On the host: boots the guest and prints what it says."""
    from tests.kernels import archive, guest, initramfs

    compile_c("attach")
    kernel = next(kernel for kernel in archive.KERNELS if kernel.name == name)
    files, remark = archive.boot_files(kernel, refresh=False)
    inside = [sys.executable, "-B", "-m", "benchmarks.attach", "guest", *(kinds or KINDS)]
    command = f"cd {shlex.quote(str(ROOT))}\nexec {shlex.join(inside)}\n"
    image = initramfs.root(ROOT, command)
    image.copy_tree(ROOT / "benchmarks", lambda name: name == "__pycache__")
    image.copy(BUILD / "attach")
    initramfs.add_libraries(image)
    with tempfile.NamedTemporaryFile(prefix="pylibbpf-guest-") as stream:
        image.write(stream.file)
        initramfs.kernel_modules(files.modules).write(stream.file)
        stream.flush()
        end = asyncio.run(guest.run(files, Path(stream.name), accelerator=guest.EMULATION, deadline=DEADLINE))
    print(remark, end.console, end.trouble, sep="\n")
    return 1 if end.trouble else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
