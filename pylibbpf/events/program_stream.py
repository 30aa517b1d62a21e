# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""ProgramStream: what a program writes to its BPF streams (bpf_stream_printk, Linux 6.17)."""

from __future__ import annotations

import errno
import fcntl
from enum import IntEnum

from .._native import NULL, ffi, lib
from ..errors import NotSupportedError, from_errno
from ..fds import HasFileno, lend_fd
from .lines import LineReader

_CHUNK = 64 * 1024


class Stream(IntEnum):
    """The streams that every program has (enum bpf_stream_id of the kernel)."""

    STDOUT = 1
    STDERR = 2


class ProgramStream(LineReader):
    """The lines that a program writes to one of its streams::

        with ProgramStream(obj.programs["on_exec"], Stream.STDERR) as lines:
            for line in lines:
                print(line)

    On STDERR the kernel itself reports what went wrong in a program: an arena fault, a
    deadlock, an endless loop. A read takes the text out of the stream, for whoever reads it, and
    the kernel keeps at most 100,000 bytes of each stream. It does not tell when there is
    more, so that a wait asks it again and again.

    Args:
        program: a loaded program of any origin, or its fd. It may be closed meanwhile.
        stream: which of its streams.
        interval: seconds between two looks of a wait.

    libbpf: bpf_prog_stream_read. Kernel: 6.17.
    """

    def __init__(
        self, program: HasFileno | int, stream: Stream | int = Stream.STDOUT, *, interval: float = 0.1
    ) -> None:
        self._stream = Stream(stream)
        if not interval > 0:
            raise ValueError(f"an interval is a number of seconds above 0, not {interval}")
        self._interval = interval
        name = getattr(program, "name", "")
        self._subject = f"'{name}'" if name else None
        with lend_fd(program) as fd:
            own = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
        self._set_up(own, f"{self._stream.name} of program {self._subject or own}")

    def _ready(self, fd: int) -> tuple[int | None, float]:
        return None, self._interval

    def _read(self, fd: int) -> bytes:
        buffer = ffi.new("char[]", _CHUNK)
        result = lib.bpf_prog_stream_read(fd, int(self._stream), buffer, _CHUNK, NULL)
        if result >= 0:
            return bytes(ffi.buffer(buffer, result))
        hint = ""
        if result == -errno.EINVAL:
            from ..since import lacks_function

            if lacks_function("bpf_prog_stream_read"):
                raise NotSupportedError(
                    errno.EINVAL, "read a stream of program", self._subject,
                    hint="BPF streams came with Linux 6.17.",
                )  # fmt: skip
        if result == -lib.GLUE_MISSING:
            raise NotSupportedError(
                errno.EOPNOTSUPP, "read a stream of program", self._subject, hint="It needs libbpf 1.7."
            )
        raise from_errno(-result, "read a stream of program", self._subject, hint=hint)
