# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the tests of symbols share: what /proc/kallsyms says, stacks that a program took, C programs."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.symbols import KernelSymbols

# <asm/unistd.h>
GETPGID = {"x86_64": 121, "s390x": 132}.get(platform.machine(), 155)

# Gives up all capabilities, CAP_SYS_ADMIN among them, but those of a mask: linux/capability.h.
KEEP_CAPABILITIES = """
import ctypes
class Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]
class Data(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]
def keep_capabilities(mask):
    both = (Data * 2)(Data(mask & 0xFFFFFFFF, mask & 0xFFFFFFFF, 0), Data(mask >> 32, mask >> 32, 0))
    assert ctypes.CDLL(None).capset(ctypes.byref(Header(0x20080522, 0)), both) == 0
"""


def run_with_capabilities(mask: int, script: str) -> str:
    """What a Python script prints that keeps these capabilities when it calls `drop()`."""
    script = f"{KEEP_CAPABILITIES}\ndef drop(): keep_capabilities({mask})\n{script}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kallsyms(module: str, text: str | None = None) -> list[tuple[int, str, str]]:
    """Address, kind and name of each line of /proc/kallsyms of a module; "" for the kernel itself.

    Emulated, reading it takes seconds: `text` is for what was read before.
    """
    text = Path("/proc/kallsyms").read_text() if text is None else text
    end = rf"\t\[{module}\]" if module else ""
    lines = re.findall(rf"^([0-9a-f]+) (.) ([^\t\n]+){end}$", text, re.MULTILINE)
    return [(int(address, 16), kind, name) for address, kind, name in lines]


@pytest.fixture(scope="module")
def kernel() -> KernelSymbols:
    """The kernel's symbols, read once: for tests that look for what was there before them."""
    return KernelSymbols()


@pytest.fixture
def stacks(bpf_object: Callable[[str], Path]) -> Iterator[bpf.Object]:
    """The object of tests/bpf/stack.bpf.c, which has taken the stacks of one os.getpgid()."""
    with bpf.Object.open(bpf_object("stack")) as obj:
        obj.variables["target_pid"].value = os.getpid()
        obj.variables["target_syscall"].value = GETPGID
        obj.load()
        with obj.programs["take_stacks_on_entry"].attach():  # type: ignore[attr-defined]
            os.getpgid(0)
        assert obj.variables["kernel_size"].value > 0
        yield obj
