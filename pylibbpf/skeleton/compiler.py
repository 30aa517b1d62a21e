# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Compiles BPF programs with clang, as every tool that ships an object does."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable

from ..errors import Error

# The directory of Linux's and libbpf's own macros for registers: bpf_tracing.h.
_ARCHITECTURES = {
    "aarch64": "arm64",
    "arm": "arm",
    "i386": "x86",
    "i686": "x86",
    "loongarch64": "loongarch",
    "mips64": "mips",
    "ppc64": "powerpc",
    "ppc64le": "powerpc",
    "riscv64": "riscv",
    "s390x": "s390",
    "x86_64": "x86",
}

_INSTALL_CLANG = (
    "Install it (Debian, Ubuntu: apt install clang; Fedora: dnf install clang; Alpine: apk add clang), or "
    "name another in the variable CLANG."
)
_HINTS = {
    r"fatal error: 'bpf/[^']*' file not found": "libbpf's headers are missing: install libbpf-dev (Debian, "
    "Ubuntu, Alpine) or libbpf-devel (Fedora), or name a directory that has them in `include`.",
    r"fatal error: 'vmlinux\.h' file not found": "`pylibbpf btf dump > vmlinux.h` writes one, on a machine "
    "whose kernel has /sys/kernel/btf/vmlinux: name it in `vmlinux`.",
    r"fatal error: 'asm/[^']*' file not found": "The kernel's headers for user space are missing: install "
    "linux-libc-dev (Debian, Ubuntu), kernel-headers (Fedora) or linux-headers (Alpine).",
    r"unknown target triple|[Uu]nable to create target|No available targets": "This clang was built without "
    "the target bpf: use another, named in the variable CLANG.",
}


class CompileError(Error):
    """A BPF program could not be compiled. The message has what clang says, and what to install."""


def compile_object(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    clang: str = "",
    include: Iterable[str | os.PathLike[str]] = (),
    cflags: Iterable[str] = (),
) -> None:
    """Compiles a BPF program for this machine's architecture.

    The instruction set is that of Linux 5.1 (-mcpu=v3), which `cflags` can change. The object has no path
    of this machine in it: the same source gives the same bytes wherever it lies.

    Args:
        source: the source, tool.bpf.c.
        output: the object to write, tool.bpf.o.
        clang: the compiler, by default that of the variable CLANG, else "clang".
        include: directories with headers, searched before those of the system.
        cflags: more options for clang.

    Raises:
        CompileError: clang is missing, or refuses the source.
    """
    clang = clang or os.environ.get("CLANG") or "clang"
    what = f"compile {os.fspath(source)}"
    directory = os.path.dirname(os.path.abspath(source))
    command = [
        *(clang, "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wno-missing-declarations"),
        f"-D__TARGET_ARCH_{_ARCHITECTURES.get(platform.machine(), platform.machine())}",
        # The line info of BTF has the names of the sources.
        *(f"-ffile-prefix-map={directory}{tail}" for tail in ("/=", "=.")),
        *(f"-I{os.path.abspath(each)}" for each in include),
        *_system_directories(clang, what),
        *cflags,
        *("-c", os.path.abspath(source), "-o", os.path.abspath(output)),
    ]
    _run(command, what, directory)


def _run(command: list[str], what: str, directory: str | None = None) -> str:
    """Runs clang, and returns what it says."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            errors="replace", check=False, cwd=directory, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise CompileError(f"cannot {what}: there is no '{command[0]}'. {_INSTALL_CLANG}") from error
    except OSError as error:
        raise CompileError(f"cannot {what}: '{command[0]}': {error.strerror}. {_INSTALL_CLANG}") from error
    if done.returncode:
        hints = [hint for pattern, hint in _HINTS.items() if re.search(pattern, done.stderr)]
        raise CompileError("\n".join([f"cannot {what}:", done.stderr.rstrip(), *hints]))
    return done.stderr


def _system_directories(clang: str, what: str) -> list[str]:
    """Where clang finds the headers of this machine: with the target bpf it looks not at those of the
    machine's architecture, asm/types.h among them."""
    said = _run([clang, "-v", "-E", "-x", "c", os.devnull], what)
    found = re.search(r"^#include <\.\.\.> search starts here:\n(.*?)^End of search list", said, re.M | re.S)
    directories = found[1].split("\n") if found else []
    return [word for each in directories if each for word in ("-idirafter", each.strip())]
