# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""One virtual machine: qemu, its console and its deadlines."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.kernels import initramfs
from tests.kernels.archive import BootFiles

QEMU = "qemu-system-x86_64"

# With several threads an emulated guest crashes when kernel text is patched, which is what fentry does.
# Without cx16 the kernel's allocator does not use CMPXCHG16B, which qemu 7.2 sometimes emulates wrongly:
# Linux 6.12 lost its flags register and crashed in two boots of five.
EMULATION = ("-accel", "tcg,thread=single", "-cpu", "max,-cx16")
# Under KVM they lack the same, and have no counters of hardware events: unrunnable.json is one list for both.
VIRTUALISATION = ("-accel", "kvm", "-cpu", "host,-cx16,pmu=off")

KERNEL_ARGUMENTS = "console=ttyS0 quiet panic=-1 mitigations=off lsm=capability,bpf"

# What /init says first.
SIGN_OF_LIFE = b"guest: "

# How long a guest may take to its first line on the console, in seconds.
BOOT_DEADLINE = 120
VIRTUALISATION_DEADLINE = 8


@dataclass(frozen=True)
class Exit:
    """How a guest ended: the reason if it was not of its own accord, and all that it said on its console."""

    trouble: str
    console: str


async def run(
    kernel: BootFiles,
    image: Path,
    *,
    accelerator: tuple[str, ...],
    deadline: float,
    boot_deadline: float = BOOT_DEADLINE,
    report: Path = Path(os.devnull),
) -> Exit:
    """Boot `kernel` with the initramfs `image`; its second serial port writes to `report`.

    qemu is killed when the guest says nothing within `boot_deadline` seconds, or runs on after `deadline`.
    """
    process = await asyncio.create_subprocess_exec(
        QEMU,
        *accelerator,
        *("-smp", "2", "-m", "3G", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-serial", "stdio", "-serial", f"file:{report}"),
        *("-kernel", str(kernel.vmlinuz), "-initrd", str(image), "-append", KERNEL_ARGUMENTS),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    console, trouble = bytearray(), ""
    now = asyncio.get_running_loop().time
    start = now()
    try:
        while True:
            left = start + (deadline if SIGN_OF_LIFE in console else min(boot_deadline, deadline)) - now()
            said = await asyncio.wait_for(process.stdout.read(65536), max(left, 0))
            if not said:
                break
            console += said
        await asyncio.wait_for(process.wait(), max(left, 0))
        if SIGN_OF_LIFE not in console:
            trouble = "did not boot"
    except asyncio.TimeoutError:
        trouble = f"was stopped after {deadline:.0f} s" if SIGN_OF_LIFE in console else "did not boot in time"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Exit(trouble, console.decode(errors="replace").replace("\r", ""))


async def virtualisation_works(kernel: BootFiles) -> bool:
    """Say whether KVM boots `kernel`. /dev/kvm alone does not tell: nested, a guest may never start."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    init = b"#!/bin/busybox sh\necho guest: is up\n/bin/busybox poweroff -f\n"
    with tempfile.NamedTemporaryFile(prefix="pylibbpf-initramfs-") as image:
        initramfs.minimal(init).write(image.file)
        image.flush()
        deadline = VIRTUALISATION_DEADLINE
        end = await run(kernel, Path(image.name), accelerator=VIRTUALISATION, deadline=deadline)
    return not end.trouble
