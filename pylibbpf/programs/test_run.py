# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Running a program on data of the caller's: BPF_PROG_TEST_RUN."""

from __future__ import annotations

import errno
from typing import Any, NamedTuple

from .._native import NULL, check, ffi, lib


class RunResult(NamedTuple):
    """What a test run gave.

    Attributes:
        return_value: what the program returned.
        data: the data as the program left it; b"" for programs that take none.
        context: the context as the program left it, or b"".
        duration_ns: nanoseconds of one run, the mean over all repeats.
    """

    return_value: int
    data: bytes
    context: bytes
    duration_ns: int


def run(
    fd: int,
    data: Any,
    context: Any,
    *,
    subject: str,
    repeat: int,
    flags: int,
    cpu: int,
    data_out_size: int | None,
) -> RunResult:
    """Runs a loaded program.

    Args:
        fd: the program.
        data: what it works on, any buffer: a packet for networking programs, at least
            14 bytes (an Ethernet header); None for programs that take no data.
        context: its context, any buffer, in the layout of the program type.
        subject: the program's name in error messages.
        repeat: how many times it runs.
        flags: BPF_F_TEST_*.
        cpu: the CPU to run on, with BPF_F_TEST_RUN_ON_CPU.
        data_out_size: room for the data it leaves, in bytes; by default the input's
            size and 256 bytes.

    Raises:
        NotSupportedError: the kernel cannot test-run this program type.
        BpfError: the kernel did not accept data or context.

    libbpf: bpf_prog_test_run_opts.
    """
    options = ffi.new("struct bpf_test_run_opts *")
    options.sz = ffi.sizeof("struct bpf_test_run_opts")
    keep, data_out, context_out = [], None, None
    if data is not None:
        keep.append(buffer := ffi.from_buffer(data))
        options.data_in, options.data_size_in = buffer, len(buffer)
        data_out = ffi.new("char[]", len(buffer) + 256 if data_out_size is None else data_out_size)
        options.data_out, options.data_size_out = data_out, len(data_out)
    if context is not None:
        keep.append(buffer := ffi.from_buffer(context))
        options.ctx_in, options.ctx_size_in = buffer, len(buffer)
        context_out = ffi.new("char[]", bytes(context))
        options.ctx_out, options.ctx_size_out = context_out, len(buffer)
    options.repeat = repeat
    options.flags = flags
    options.cpu = cpu
    result = lib.bpf_prog_test_run_opts(fd, options)
    context_size = options.ctx_size_out
    if result == -errno.EINVAL and repeat == 1:
        # Program types that run in place take no repeat, not even 1, and no output context: a
        # syscall program works on the input itself (net/bpf/test_run.c, raw_tp and syscall).
        options.repeat = 0
        if context_out is not None:
            options.ctx_in, options.ctx_out, options.ctx_size_out = context_out, NULL, 0
        result = lib.bpf_prog_test_run_opts(fd, options)
        context_size = options.ctx_size_in
    check(result, "run program", subject)
    return RunResult(
        options.retval,
        bytes(ffi.buffer(data_out, options.data_size_out)) if data_out is not None else b"",
        bytes(ffi.buffer(context_out, context_size)) if context_out is not None else b"",
        options.duration,
    )
