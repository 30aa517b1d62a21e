# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of raw tracepoints."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from .._native import c_string, ffi, lib, open_fd
from ..enums import LinkType, ProgramType
from ..errors import BpfError, ExistsError, NotFoundError, NotSupportedError
from .create import Attachable, require_program
from .link import Link

if TYPE_CHECKING:
    from .info import RawTracepointInfo


class RawTracepointLink(Link):
    """A program on a tracepoint: raw_tp, and tp_btf, whose links the kernel counts here."""

    if TYPE_CHECKING:

        def info(self) -> RawTracepointInfo: ...


def attach_raw_tracepoint(program: Attachable, name: str, *, cookie: int = 0) -> Link:
    """Attaches a raw tracepoint program.

    Args:
        program: a loaded RawTracePoint or RawTracePointWritable, of any origin.
        name: the tracepoint without its category, "sched_switch".
        cookie: a number that the program gets from bpf_get_attach_cookie(); 0 for none (6.9).

    Raises:
        NotFoundError: there is no such tracepoint.
        ProgramTypeError: the program is of another type.
        NotSupportedError: this kernel has no cookies for it.

    libbpf: bpf_raw_tracepoint_open, bpf_raw_tracepoint_open_opts (4.17; a link since 5.8).
    """
    require_program(program, ProgramType.RAW_TRACEPOINT, ProgramType.RAW_TRACEPOINT_WRITABLE)
    encoded = c_string(name, "name")
    operation, subject = f"attach program '{program.name}' to tracepoint", f"'{name}'"
    with program._fd_handle() as fd:
        try:
            if cookie:
                options = ffi.new("struct bpf_raw_tp_opts *")
                options.sz = ffi.sizeof("struct bpf_raw_tp_opts")
                options.tp_name = keep = ffi.new("char[]", encoded)
                options.cookie = cookie
                handle = open_fd(
                    lib.call_bpf_raw_tracepoint_open_opts, fd, options, operation=operation, subject=subject
                )
                del keep
            else:
                handle = open_fd(
                    lib.call_bpf_raw_tracepoint_open, encoded, fd, operation=operation, subject=subject
                )
        except NotFoundError as error:
            error.hint = "Its name stands without its category, as in `ls /sys/kernel/tracing/events/*`."
            raise
        except ExistsError as error:
            # The tracepoint tells probes apart by their data: the program, since 6.10 the link.
            error.hint = "Before Linux 6.10 a program is attached to one tracepoint only once."
            raise
        except BpfError as error:
            if cookie and error.errno in (errno.EINVAL, errno.E2BIG):
                hint = "Cookies of raw tracepoints came with Linux 6.9."
                raise NotSupportedError(error.errno, operation, subject, hint=hint) from error
            raise
    return Link._of_fd(handle, owned=True, type=LinkType.RAW_TRACEPOINT)
